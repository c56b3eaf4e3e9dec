import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

const FILE_MODE = 0o600;

export type SmallFile =
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly reason: string }
  | { readonly kind: "text"; readonly text: string };

/**
 * Reads a text file that somebody else may have put in its place: whatever it is, the answer comes at once and
 * is bounded. Throws the errors of the file system other than that there is no such file.
 *
 * @param options.followLink whether the path may be a symbolic link; without it, a link throws ELOOP
 */
export async function readSmallFile(
  path: string,
  options: { readonly bytesMax: number; readonly followLink: boolean },
): Promise<SmallFile> {
  let file;
  try {
    // O_NONBLOCK: opening a FIFO would otherwise wait for a writer, for ever.
    const flags = constants.O_RDONLY | constants.O_NONBLOCK;
    file = await open(path, options.followLink ? flags : flags | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return { kind: "absent" };
    throw error;
  }
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return { kind: "unreadable", reason: "it is not a regular file" };
    if (stats.size > options.bytesMax) return { kind: "unreadable", reason: `it has ${stats.size} bytes` };
    // Not to its end, which a writer might move on for as long as we read.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(stats.size), 0, stats.size, 0);
    return { kind: "text", text: buffer.toString("utf8", 0, bytesRead) };
  } finally {
    await file.close();
  }
}

/**
 * Puts a file with this text, readable by nobody else, in the place of whatever stands at the path, in one step.
 * Throws the errors of the file system.
 *
 * @param options.durable whether it must outlive a loss of power, for which the disk is waited
 */
export async function replaceFile(
  path: string,
  text: string,
  options: { readonly durable: boolean },
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    const file = await open(temporary, "wx", FILE_MODE);
    try {
      await file.writeFile(text);
      if (options.durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  if (!options.durable) return;
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
