import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { tryLock, waitForLock } from "./lock.ts";

async function freshPath(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "kiloclaw-lock-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return join(dir, "lock");
}

/** A process that holds the lock for as long as it lives. */
async function holderOf(path: string): Promise<ChildProcess> {
  const program = `
    const { tryLock } = await import(${JSON.stringify(new URL("lock.ts", import.meta.url).href)});
    process.send(tryLock(${JSON.stringify(path)}) === undefined ? "refused" : "held");
    setInterval(() => {}, 1_000_000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  onTestFinished(() => void holder.kill("SIGKILL"));
  expect(await Promise.race([once(holder, "message"), once(holder, "exit")])).toContain("held");
  return holder;
}

it("is held by one at a time, and can be had again after its release", async () => {
  const path = await freshPath();
  const release = tryLock(path);
  expect(tryLock(path)).toBeUndefined();
  release?.();
  expect(tryLock(path)).toBeTypeOf("function");
});

it("is free again when its holder was killed", async () => {
  const path = await freshPath();
  const holder = await holderOf(path);
  expect(tryLock(path)).toBeUndefined();
  holder.kill("SIGKILL");
  await once(holder, "exit");
  expect(tryLock(path)).toBeTypeOf("function");
});

it("is waited for, and those who wait are told so once", async () => {
  const path = await freshPath();
  const holder = await holderOf(path);
  let waits = 0;
  const onWait = (): void => {
    waits += 1;
    holder.kill("SIGKILL");
  };
  const release = await waitForLock(path, { timeoutMs: 10_000, onWait });
  expect(waits).toBe(1);
  await expect(waitForLock(path, { timeoutMs: 0, onWait: () => {} })).rejects.toThrow(/too long/u);
  release();
});
