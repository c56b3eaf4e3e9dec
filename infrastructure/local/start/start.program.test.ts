import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { tryLock } from "../../process/lock.ts";
import { listProcesses } from "../../process/testing.ts";
import { dataMark } from "../fly/runtime/leftovers.ts";
import { preferPort } from "../ports.ts";

// How a start that does not get far ends. One that reaches a running OpenClaw is the end-to-end suite's work.

const LAUNCH = fileURLToPath(new URL("launch.js", import.meta.url));

let dir: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "kiloclaw-start-"));
});

afterEach(async () => {
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  }
  child = undefined;
  await rm(dir, { recursive: true, force: true });
});

interface Run {
  readonly process: ChildProcess;
  readonly ended: Promise<{ code: number | null; output: string }>;
}

function run(args: string[], env: Record<string, string> = {}): Run {
  const started = spawn(process.execPath, [LAUNCH, ...args], {
    env: { ...process.env, KILOCLAW_LOCAL_DIR: dir, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child = started;
  const output = Promise.all([text(started.stdout), text(started.stderr)]);
  const code = new Promise<number | null>((settle) => started.once("exit", settle));
  return {
    process: started,
    ended: Promise.all([code, output]).then(([code, streams]) => ({ code, output: streams.join("") })),
  };
}

/** The processes whose command line or environment names this test's directory. */
function leftovers(): string[] {
  return listProcesses().flatMap(({ pid, text }) =>
    pid !== process.pid && text.includes(dir) ? [text] : [],
  );
}

describe("a start", () => {
  it("is refused plainly while another one runs on the same state", async () => {
    const release = tryLock(join(dir, "start.lock"));
    const { code, output } = await run([]).ended;
    release?.();
    expect(code).toBe(1);
    expect(output).toBe(
      `✗ KiloClaw is running already, with its state in ${dir}. Stop that one first (Ctrl-C).\n`,
    );
  });

  it("says plainly that its port is taken and how to take another, and touches nothing", async () => {
    const other = createServer();
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = z.object({ port: z.int() }).parse(other.address());
    const { code, output } = await run(["--port", String(port), "--fresh"]).ended;
    other.close();
    expect(code).toBe(1);
    expect(output).toContain(`Port ${port} on 127.0.0.1 is taken by another program.`);
    expect(output).toContain(`pnpm start --port ${port + 1}`);
    expect(await readdir(dir)).toEqual(["start.lock"]);
  });

  it("names an environment variable that it can't use", async () => {
    const { code, output } = await run([], { DATABASE_URL: "mysql://user:hunter2@db/x" }).ended;
    expect(code).toBe(1);
    expect(output).toBe("✗ DATABASE_URL is not a postgres:// URL.\n");
  });

  it("ends with the reason when a part does not start, and leaves nothing behind", async () => {
    const port = await preferPort("127.0.0.1", 0);
    const database = `postgres://user:hunter2@127.0.0.1:${port}/nowhere`;
    const worker = await preferPort("127.0.0.1", 0);
    const { code, output } = await run(["--port", String(worker)], { DATABASE_URL: database }).ended;
    expect(code).toBe(1);
    expect(output).toMatch(/^✗ .*127\.0\.0\.1/mu);
    expect(output).not.toContain("hunter2");
    await expect.poll(leftovers).toEqual([]);
  });

  it("keeps the logs and drops the state when it begins afresh", async () => {
    await mkdir(join(dir, "logs"));
    await writeFile(join(dir, "logs", "worker.log"), "from before\n");
    await writeFile(join(dir, "secrets.json"), "unreadable");
    const worker = await preferPort("127.0.0.1", 0);
    const nowhere = `postgres://user:password@127.0.0.1:${await preferPort("127.0.0.1", 0)}/nowhere`;
    const { output } = await run(["--fresh", "--port", String(worker)], { DATABASE_URL: nowhere }).ended;
    expect(output).not.toContain("secrets.json");
    expect(await readFile(join(dir, "logs", "worker.log"), "utf8")).toContain("from before");
  });

  it("ends the machines of a start that was killed before it begins afresh", async () => {
    const { name, value } = dataMark(join(dir, "fly"));
    const machine = spawn(process.execPath, ["--eval", "setInterval(() => {}, 1_000_000)"], {
      env: { [name]: value },
      stdio: "ignore",
    });
    const exited = once(machine, "exit");
    const nowhere = `postgres://user:password@127.0.0.1:${await preferPort("127.0.0.1", 0)}/nowhere`;
    const worker = await preferPort("127.0.0.1", 0);
    await run(["--fresh", "--port", String(worker)], { DATABASE_URL: nowhere }).ended;
    expect(await exited).toEqual([null, "SIGKILL"]);
  });

  it.each(["data.unfinished", "data/postmaster.pid"])(
    "ends in order after Ctrl-C, with nothing left behind, when Postgres has %s",
    async (file) => {
      const worker = await preferPort("127.0.0.1", 0);
      const { process: started, ended } = run(["--port", String(worker)]);
      await expect
        .poll(
          () =>
            access(join(dir, "postgres", file)).then(
              () => true,
              () => false,
            ),
          { interval: 20, timeout: 15_000 },
        )
        .toBe(true);
      // Once from the terminal, and once from the pnpm that it also reaches.
      started.kill("SIGINT");
      started.kill("SIGINT");
      const { code } = await ended;
      expect(code).toBe(0);
      await expect.poll(leftovers).toEqual([]);
      await expect(access(join(dir, "ready.json"))).rejects.toThrow("ENOENT");
    },
  );
});
