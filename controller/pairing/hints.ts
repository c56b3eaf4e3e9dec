import { constants, watch } from "node:fs";
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { errorText, type Log } from "../log.ts";
import { credentialsDir } from "./sources.ts";

/** One write of the log that is read at a time; of a longer one only the end. */
const READ_BYTES_MAX = 256 * 1024;

/** The path is on the volume, where a program may have put a FIFO or a link. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** A line of any log that speaks of a request to be let in (openclaw-gateway.md §4.1, §4.2). */
export const SPEAKS_OF_PAIRING = /pairing[ -]re(?:quest|quired)/i;

export interface Hints {
  close(): void;
}

/** Everything by which a request shows that the gateway's own events don't tell of. What can't be watched is logged. */
export async function startHints(
  paths: { readonly logFile: string; readonly stateDir: string },
  { storesChannelRequests }: { readonly storesChannelRequests: boolean },
  onHint: () => void,
  log: Log,
): Promise<Hints> {
  const started: Hints[] = [];
  try {
    started.push(await watchLogFile(paths.logFile, onHint, log));
    if (storesChannelRequests) started.push(await watchFiles(credentialsDir(paths.stateDir), onHint, log));
  } catch (error) {
    // The timer's look is what is left.
    log("warn", "pairing requests can't be watched for", { error: errorText(error) });
  }
  return {
    close() {
      for (const hints of started) hints.close();
    },
  };
}

/**
 * Calls `onHint` when the gateway's log file says something of pairing, for a channel's request shows nowhere else at once
 * (openclaw-gateway.md §4.2: neither an event nor a line on the console).
 */
async function watchLogFile(path: string, onHint: () => void, log: Log): Promise<Hints> {
  let offset = await sizeOf(path);
  let isReading = false;
  let isAskedAgain = false;
  const read = async (): Promise<void> => {
    if (isReading) {
      isAskedAgain = true;
      return;
    }
    isReading = true;
    try {
      do {
        isAskedAgain = false;
        const { text, end } = await readFrom(path, offset);
        offset = end;
        if (SPEAKS_OF_PAIRING.test(text)) onHint();
      } while (isAskedAgain);
    } catch (error) {
      log("warn", "the gateway's log could not be read", { error: errorText(error) });
    } finally {
      isReading = false;
    }
  };
  return watchDirectory(
    dirname(path),
    (name) => {
      if (name === basename(path)) void read();
    },
    log,
  );
}

/** Calls `onHint` when something in a directory changes, which is made if it is not there. */
function watchFiles(directory: string, onHint: () => void, log: Log): Promise<Hints> {
  return watchDirectory(directory, onHint, log);
}

async function watchDirectory(directory: string, onChange: (name: string) => void, log: Log): Promise<Hints> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const watcher = watch(directory, { persistent: false }, (_, name) => onChange(name ?? ""));
  // Without it the timer's look is what is left.
  watcher.on("error", (error) => log("warn", "a directory can't be watched", { error: errorText(error) }));
  return { close: () => watcher.close() };
}

async function sizeOf(path: string): Promise<number> {
  const file = await openIfThere(path);
  if (file === null) return 0;
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

/** What was written since, or its end; from the beginning where the file was replaced by a shorter one. */
async function readFrom(path: string, offset: number): Promise<{ text: string; end: number }> {
  const file = await openIfThere(path);
  if (file === null) return { text: "", end: 0 };
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return { text: "", end: 0 };
    const from = Math.max(stats.size < offset ? 0 : offset, stats.size - READ_BYTES_MAX);
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(stats.size - from),
      0,
      stats.size - from,
      from,
    );
    return { text: buffer.toString("utf8", 0, bytesRead), end: from + bytesRead };
  } finally {
    await file.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, OPEN_FLAGS);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
