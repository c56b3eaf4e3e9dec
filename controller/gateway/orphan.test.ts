import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { killOrphan, noteSchema, rememberProcess } from "./orphan.ts";

let directory: string;
let note: string;
let child: ChildProcess;
let pid: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kiloclaw-orphan-"));
  note = join(directory, "gateway.json");
  child = spawn(process.execPath, ["-e", "setInterval(() => undefined, 60_000)"], {
    detached: true,
    stdio: "ignore",
  });
  await once(child, "spawn");
  pid = z.int().parse(child.pid);
});

afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await rm(directory, { recursive: true });
});

it("kills the process that was noted, and no second time", async () => {
  await rememberProcess(note, pid);
  const ended = once(child, "exit");
  expect(await killOrphan(note)).toBe(pid);
  expect((await ended)[1]).toBe("SIGKILL");
  expect(await killOrphan(note)).toBeNull();
});

describe("a note that the machine's tenant has put there", () => {
  it("is passed over at once when it is a FIFO, and replaced by the next", async () => {
    await promisify(execFile)("mkfifo", [note]);
    expect(await killOrphan(note)).toBeNull();
    await rememberProcess(note, pid);
    expect((await lstat(note)).isFile()).toBe(true);
    expect(await killOrphan(note)).toBe(pid);
  });

  it("is passed over when it is a link, whose target the next leaves alone", async () => {
    const target = join(directory, "target");
    await rememberProcess(target, pid);
    const text = await readFile(target, "utf8");
    await symlink(target, note);
    expect(await killOrphan(note)).toBeNull();
    await rememberProcess(note, process.pid);
    expect(await readFile(target, "utf8")).toBe(text);
  });

  it("is passed over when it is too long", async () => {
    await rememberProcess(note, pid);
    const text = await readFile(note, "utf8");
    await writeFile(note, text + " ".repeat(100_000));
    expect(await killOrphan(note)).toBeNull();
    await truncate(note, text.length);
    expect(await killOrphan(note)).toBe(pid);
  });

  // Not through a file: were the rule broken, the test would kill every process there is.
  it.each([1, 0, -1, process.pid, 2 ** 32 + 1])("never names the process %s", (number) => {
    expect(noteSchema.safeParse({ pid: number, identity: "x" }).success).toBe(false);
    expect(noteSchema.safeParse({ pid, identity: "x" }).success).toBe(true);
  });
});
