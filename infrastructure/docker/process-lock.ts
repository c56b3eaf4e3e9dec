import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 250;
/** Longer than any holder may take; then something is wrong that a person should see. */
const WAIT_MAX_MS = 900_000;

/**
 * Runs `work` while no other process does so under the same lock file. A lock whose holder has died is taken
 * over. `log` is told once that we wait, and for whom.
 *
 * @throws when the lock stays held for a quarter of an hour, or what `work` throws
 */
export async function withProcessLock<T>(
  path: string,
  log: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + WAIT_MAX_MS;
  let isWaiting = false;
  while (!(await tryLock(path))) {
    const holder = await readHolder(path);
    if (holder === null) continue;
    if (!isAlive(holder.pid)) {
      await removeStale(path, holder.id);
      continue;
    }
    if (performance.now() > deadline)
      throw new Error(`${path} is held by process ${holder.pid} for too long`);
    if (!isWaiting) log(`waiting for process ${holder.pid}, which does the same`);
    isWaiting = true;
    await sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** A lock file appears with its content in one step: it is written elsewhere and linked into place. */
async function tryLock(path: string): Promise<boolean> {
  const own = `${path}.${randomUUID()}`;
  await writeFile(own, `${process.pid} ${randomUUID()}`);
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

async function readHolder(path: string): Promise<{ pid: number; id: string } | null> {
  try {
    const id = await readFile(path, "utf8");
    return { pid: Number.parseInt(id, 10), id };
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}

/**
 * Removes the lock of a dead holder. Somebody else may have done so since we read it, and hold it now: what
 * we took away is looked at, and put back if it is not what we meant.
 */
async function removeStale(path: string, id: string): Promise<void> {
  const taken = `${path}.stale-${randomUUID()}`;
  try {
    await rename(path, taken);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  if ((await readFile(taken, "utf8")) !== id) await link(taken, path);
  await rm(taken, { force: true });
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
