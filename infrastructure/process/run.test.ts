import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { expect, it } from "vitest";
import { runToEnd } from "./run.ts";
import { isRunning } from "./testing.ts";

/** A shell that starts a child, tells its id, and does `then`. */
const withChild = (then: string): string[] => ["-c", `sleep 300 & echo $!; ${then}`];

function run(args: string[], timeoutMs = 20_000): Promise<string> {
  return runToEnd("sh", args, { cwd: tmpdir(), env: process.env, timeoutMs, log: () => {} });
}

it("returns the last lines of a program", async () => {
  const lines = (await run(["-c", "i=0; while [ $i -lt 99 ]; do i=$((i+1)); echo $i; done"])).split("\n");
  expect([lines.length, lines.at(-1)]).toEqual([40, "99"]);
});

it("does not wait for what a program leaves in the background, and ends it", async () => {
  const pid = Number(await run(withChild("exit 0")));
  await expect.poll(() => isRunning(pid)).toBe(false);
});

it("says how a program failed", async () => {
  await expect(run(["-c", "echo because >&2; exit 3"])).rejects.toThrow("sh ended with 3:\nbecause");
  await expect(run(withChild("wait"), 1)).rejects.toThrow("sh ended with SIGKILL");
});

it("takes all along when this process exits", async () => {
  const program = `
    const { runToEnd } = await import(${JSON.stringify(new URL("run.ts", import.meta.url).href)});
    const log = (line) => process.send(Number(line), () => process.exit());
    await runToEnd("sh", ${JSON.stringify(withChild("wait"))}, { cwd: ".", env: process.env, timeoutMs: 20_000, log });`;
  const parent = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [pid] = await once(parent, "message");
  await once(parent, "exit");
  await expect.poll(() => isRunning(Number(pid))).toBe(false);
});
