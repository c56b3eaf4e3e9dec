import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeLock } from "./lock.ts";

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "kiloclaw-lock-"));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

describe("the lock of a checkout", () => {
  it("is held by one at a time", async () => {
    const path = join(dir, "state", "start.lock");
    const first = await takeLock(path);
    await expect(takeLock(path)).rejects.toThrow(/running already/u);
    first.release();
    (await takeLock(path)).release();
  });

  it("is free again when its holder was killed", async () => {
    const path = join(dir, "start.lock");
    const program = `
      const { takeLock } = await import(${JSON.stringify(new URL("lock.ts", import.meta.url).href)});
      await takeLock(${JSON.stringify(path)});
      process.send("held");
      setInterval(() => {}, 1_000_000);`;
    const holder = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const exited = once(holder, "exit");
    expect(await Promise.race([once(holder, "message"), exited])).toContain("held");
    await expect(takeLock(path)).rejects.toThrow(/running already/u);
    holder.kill("SIGKILL");
    await exited;
    (await takeLock(path)).release();
  });
});
