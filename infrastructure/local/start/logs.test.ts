import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLogs } from "./logs.ts";
import { createTerminal } from "./terminal.ts";
import { createRecorder } from "./testing.ts";

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "kiloclaw-logs-"));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

function logsTo(output: ReturnType<typeof createRecorder>, verbose: boolean) {
  return createLogs({ dir, verbose, terminal: createTerminal(output, { colours: false }) });
}

describe("the logs", () => {
  it("keep everything in the part's file and show what deserves attention", async () => {
    const output = createRecorder();
    const log = logsTo(output, false).of("worker");
    log("info", "all is well");
    log("warn", "a warning");
    log("error", "an error");
    expect(output.text()).toBe("[worker] a warning\n[worker] an error\n");
    const file = await readFile(join(dir, "worker.log"), "utf8");
    expect(file.match(/all is well|a warning|an error/gu)).toHaveLength(3);
    expect((await stat(join(dir, "worker.log"))).mode & 0o777).toBe(0o600);
  });

  it("show everything when asked to", () => {
    const output = createRecorder();
    logsTo(output, true).of("fly")("debug", "a request");
    expect(output.text()).toBe("[fly] a request\n");
  });

  it("show nothing once hushed, and still keep it", async () => {
    const output = createRecorder();
    const logs = logsTo(output, true);
    logs.hush();
    logs.of("fly")("error", "connection refused");
    expect(output.text()).toBe("");
    expect(await readFile(join(dir, "fly.log"), "utf8")).toContain("connection refused");
  });

  it("stay bounded: a full file makes room for the next", async () => {
    const log = logsTo(createRecorder(), false).of("machine");
    const megabyte = "x".repeat(1024 * 1024);
    for (let written = 0; written < 20; written += 1) log("info", megabyte);
    expect((await readdir(dir)).toSorted()).toEqual(["machine.1.log", "machine.log"]);
    const sizes = await Promise.all(["machine.1.log", "machine.log"].map((file) => stat(join(dir, file))));
    for (const { size } of sizes) expect(size).toBeLessThan(10 * 1024 * 1024);
  });
});
