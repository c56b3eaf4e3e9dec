import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { freshDirectory } from "../testing/fly.ts";
import { lockDirectory } from "./lock.ts";

it("lets one holder in at a time, and the next one after its release", async () => {
  const path = join(await freshDirectory(), "lock");
  const release = await lockDirectory(path);
  await expect(lockDirectory(path)).rejects.toThrow(`in use by process ${process.pid}`);
  await release();
  await expect(lockDirectory(path)).resolves.toBeTypeOf("function");
});

it("takes over the lock of a process that is gone", async () => {
  const directory = await freshDirectory();
  const path = join(directory, "lock");
  await writeFile(path, `${await pidOfTheDead()} 1\n`);
  await lockDirectory(path);
  expect(await readFile(path, "utf8")).toMatch(new RegExp(`^${process.pid} `));
  expect(await readdir(directory)).toEqual(["lock"]);
});

it.runIf(process.platform === "linux")(
  "takes over a lock whose process number now belongs to a process started at another time",
  async () => {
    const path = join(await freshDirectory(), "lock");
    await writeFile(path, `${process.pid} 1\n`);
    await expect(lockDirectory(path)).resolves.toBeTypeOf("function");
  },
);

it("takes over a lock that names no process at all", async () => {
  const path = join(await freshDirectory(), "lock");
  await writeFile(path, "");
  await expect(lockDirectory(path)).resolves.toBeTypeOf("function");
});

async function pidOfTheDead(): Promise<number> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  return child.pid ?? 0;
}
