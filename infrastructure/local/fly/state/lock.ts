import { constants } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { messageOf } from "../log.ts";

/**
 * Takes the data directory for this process; the returned function gives it back. A lock whose process is gone is
 * taken over. Throws if another living process holds it.
 */
export async function lockDirectory(path: string): Promise<() => Promise<void>> {
  // Two tries: the second follows the removal of a stale lock.
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    if (await writeLock(path)) return () => rm(path, { force: true });
    const holder = await readHolder(path);
    if (holder !== undefined && isAlive(holder)) {
      throw new Error(`The data directory is in use by process ${holder} (${path}).`);
    }
    await rm(path, { force: true });
  }
  throw new Error(`The data directory is being taken by another process (${path}).`);
}

async function writeLock(path: string): Promise<boolean> {
  try {
    const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
    try {
      await file.writeFile(`${process.pid}\n`);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw new Error(`The data directory cannot be locked: ${messageOf(error)}`, { cause: error });
  }
}

async function readHolder(path: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(path, "utf8")).trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, under another user.
    return hasCode(error, "EPERM");
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
