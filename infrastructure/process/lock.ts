import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseSync } from "node:sqlite";

/** Gives the lock back. */
export type Release = () => void;

/**
 * Takes a lock among processes, until it is released or this process ends; undefined while somebody holds it, this process
 * included. It is an SQLite file opened exclusively, because that lock belongs to the process: the system releases it however
 * the process ends, which a file with a pid in it can't promise. The file stays, empty, in its directory, which must exist.
 */
export function tryLock(path: string): Release | undefined {
  const file = new DatabaseSync(path);
  try {
    file.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    file.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  return () => file.close();
}

/**
 * Takes the lock as soon as it is free, and calls `onWait` once if it is not.
 *
 * @throws when somebody holds it for longer than `timeoutMs`.
 */
export async function waitForLock(
  path: string,
  options: { timeoutMs: number; onWait: () => void },
): Promise<Release> {
  const deadlineMs = performance.now() + options.timeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    const release = tryLock(path);
    if (release !== undefined) return release;
    if (performance.now() > deadlineMs) throw new Error(`Another process holds ${path} for too long.`);
    if (attempt === 1) options.onWait();
    await sleep(POLL_MS);
  }
}

const POLL_MS = 100;

/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}
