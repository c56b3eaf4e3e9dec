import { link, readFile, rename, rm, writeFile } from "node:fs/promises";

/**
 * Takes the data directory for this process by a lock file; the returned function gives it back. A lock whose process
 * is gone is taken over. Throws if a living process holds it, this one included.
 */
export async function lockDirectory(path: string): Promise<() => Promise<void>> {
  const own = `${process.pid} ${await startOf(process.pid)}\n`;
  const written = `${path}.${process.pid}`;
  await writeFile(written, own, { mode: 0o600 });
  try {
    // Two tries: the second follows the removal of a stale lock.
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      if (await linked(written, path)) return () => rm(path, { force: true });
      const holder = await readIfPresent(path);
      if (holder !== undefined && (await isAlive(holder))) throw inUse(path, holder);
      await setStaleAside(path);
    }
  } finally {
    await rm(written, { force: true });
  }
  throw new Error(`The data directory is being taken by another process (${path}).`);
}

/** Makes the lock appear under its name with its content, or not at all. */
async function linked(written: string, path: string): Promise<boolean> {
  try {
    await link(written, path);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}

/** Another process may have found the same stale lock and have its own in place by now: that one is put back. */
async function setStaleAside(path: string): Promise<void> {
  const aside = `${path}.stale.${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  const holder = (await readIfPresent(aside)) ?? "";
  if (await isAlive(holder)) {
    await linked(aside, path);
    await rm(aside, { force: true });
    throw inUse(path, holder);
  }
  await rm(aside, { force: true });
}

function inUse(path: string, holder: string): Error {
  return new Error(`The data directory is in use by process ${holder.split(" ", 1)[0]} (${path}).`);
}

/** A process number alone does not do: after a restart of the computer it may be another's. */
async function isAlive(holder: string): Promise<boolean> {
  const [pid, started] = holder.trim().split(" ");
  if (!isRunning(Number(pid))) return false;
  return (await startOf(Number(pid))) === (started ?? "");
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, under another user.
    return hasCode(error, "EPERM");
  }
}

/** When the process was started, in ticks since the boot. Known on Linux only; elsewhere it is empty. */
async function startOf(pid: number): Promise<string> {
  const stat = await readIfPresent(`/proc/${pid}/stat`);
  // The name of the program, the second field, may hold blanks; the start is the 20th field after it.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ESRCH")) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
