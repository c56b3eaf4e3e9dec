import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { z } from "zod";
import { readSmallFile, replaceFile } from "../files.ts";
import { killGroup } from "./child.ts";

const GONE_POLL_MS = 20;
const GONE_TRIES_MAX = 250;

const NOTE_BYTES_MAX = 1_000;
const PS_TIMEOUT_MS = 5_000;

/** Notes which process is ours, for the controller that comes after us if we are killed. */
export async function rememberProcess(file: string, pid: number): Promise<void> {
  const identity = await processIdentity(pid);
  if (identity === null) return;
  // A loss of power ends the process as well.
  await replaceFile(file, JSON.stringify({ pid, identity }), { durable: false });
}

/**
 * Kills the process that an earlier controller noted, with its group, if it still runs: a controller that was
 * killed leaves its gateway behind, which holds the port and the state.
 *
 * @returns the process id of what was killed, or null when nothing was left behind
 */
export async function killOrphan(file: string): Promise<number | null> {
  const remembered = await readRemembered(file);
  if (remembered === null || !(await isStill(remembered))) return null;
  killGroup(remembered.pid);
  for (let attempt = 0; attempt < GONE_TRIES_MAX && (await isStill(remembered)); attempt++) {
    await sleep(GONE_POLL_MS);
  }
  return remembered.pid;
}

/**
 * What the note says. It stands on the volume, where the gateway writes as well: to kill group 1 is to kill
 * every process there is (kill(2) with -1), and our own group is no orphan, so neither is ever read from it.
 */
export const noteSchema = z.object({
  pid: z
    .int32()
    .min(2)
    .refine((pid) => pid !== process.pid),
  identity: z.string().min(1),
});
type Note = z.infer<typeof noteSchema>;

async function readRemembered(file: string): Promise<Note | null> {
  try {
    const note = await readSmallFile(file, { bytesMax: NOTE_BYTES_MAX, followLink: false });
    return note.kind === "text" ? noteSchema.parse(JSON.parse(note.text)) : null;
  } catch {
    // None of our notes: whatever holds the port is then reported as a stranger.
    return null;
  }
}

async function isStill({ pid, identity }: Note): Promise<boolean> {
  return (await processIdentity(pid)) === identity;
}

/**
 * What tells a process from a later one with the same id: its start, and on Linux also the boot, for a fresh
 * machine gives out the same ids in the same order. Null when it does not run.
 */
async function processIdentity(pid: number): Promise<string | null> {
  try {
    if (process.platform !== "linux") {
      const { stdout } = await promisify(execFile)("ps", ["-o", "lstart=", "-p", String(pid)], {
        timeout: PS_TIMEOUT_MS,
      });
      return stdout.trim() || null;
    }
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    ]);
    // proc(5): the name, in parentheses, may hold anything; the state follows it, and the start is field 22.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : `${boot.trim()} ${fields[19]}`;
  } catch {
    // ENOENT, or ps found none.
    return null;
  }
}
