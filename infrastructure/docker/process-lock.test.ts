import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { withProcessLock } from "./process-lock.ts";

let directory: string;
let lock: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kiloclaw-lock-"));
  lock = join(directory, "lock");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it("lets one in at a time, tells the others for whom they wait, and leaves nothing behind", async () => {
  const events: string[] = [];
  const lines: string[] = [];
  const work = (name: string) => (): Promise<string> =>
    withProcessLock(
      lock,
      (line) => lines.push(line),
      async () => {
        events.push(`${name} in`);
        await readdir(directory);
        events.push(`${name} out`);
        return name;
      },
    );
  expect(await Promise.all([work("a")(), work("b")(), work("c")()])).toEqual(["a", "b", "c"]);
  for (let index = 0; index < events.length; index += 2) {
    expect(events[index]?.split(" ")[0]).toBe(events[index + 1]?.split(" ")[0]);
  }
  expect(lines).toContain(`waiting for process ${process.pid}, which does the same`);
  expect(await readdir(directory)).toEqual([]);
});

it("takes over from a holder that has died", async () => {
  const holder = spawn(process.execPath, ["-e", ""], { stdio: "ignore" });
  await once(holder, "exit");
  await writeFile(lock, `${holder.pid} of a dead process`);
  const results = await Promise.all(
    [1, 2, 3].map((n) =>
      withProcessLock(
        lock,
        () => undefined,
        async () => n,
      ),
    ),
  );
  expect(results).toEqual([1, 2, 3]);
  expect(await readdir(directory)).toEqual([]);
});

it("takes over a lock that names no process", async () => {
  await writeFile(lock, "");
  expect(
    await withProcessLock(
      lock,
      () => undefined,
      async () => "done",
    ),
  ).toBe("done");
});

it("gives the lock back when the work fails", async () => {
  const failing = withProcessLock(
    lock,
    () => undefined,
    async () => {
      throw new Error("the work failed");
    },
  );
  await expect(failing).rejects.toThrow("the work failed");
  expect(
    await withProcessLock(
      lock,
      () => undefined,
      async () => "done",
    ),
  ).toBe("done");
});
