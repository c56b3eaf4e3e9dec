import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Takes the checkout's lock for as long as this process lives. It is an SQLite file opened exclusively, because that lock
 * belongs to the process: the system releases it however the process ends, which a file with a pid in it can't promise.
 *
 * @throws when another `start` holds it.
 */
export async function takeLock(path: string): Promise<{ release: () => void }> {
  await mkdir(dirname(path), { recursive: true });
  const file = new DatabaseSync(path);
  try {
    file.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    file.close();
    if (!isBusy(error)) throw error;
    throw new Error(
      `KiloClaw is running already, with its state in ${dirname(path)}. Stop that one first (Ctrl-C).`,
      {
        cause: error,
      },
    );
  }
  return { release: () => file.close() };
}

/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}
