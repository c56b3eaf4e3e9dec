import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/**
 * What every process of a local Fly's machines inherits and no other has, as a variable of its environment. It is made from
 * the data directory's name alone, so that they are found also when the directory and all that was known of them is deleted.
 * A digest, because `ps` shows environments in a way that a blank in a path would break.
 */
export function dataMark(dataDirectory: string): Mark {
  const value = createHash("sha256").update(resolve(dataDirectory)).digest("hex").slice(0, 32);
  return { name: "FLY_LOCAL_DATA", value };
}

/** The same for one machine. */
export function machineMark(machineId: string): Mark {
  return { name: "FLY_MACHINE_ID", value: machineId };
}

/**
 * A program may give its children another HOME or TMPDIR, but has no reason to tell them that they run in another machine.
 */
export interface Mark {
  readonly name: `FLY_${string}`;
  readonly value: string;
}

/**
 * Kills every process that bears the mark, also those that have left their group, and those that they start meanwhile.
 * Resolves when none is left; throws when some are there still after many passes.
 */
export async function killMarked(mark: Mark): Promise<void> {
  let pids: number[] = [];
  for (let pass = 0; pass < passesMax; pass += 1) {
    if (pass > 0) await sleep(passEveryMs);
    pids = await pidsMarked(`${mark.name}=${mark.value}`);
    if (pids.length === 0) return;
    for (const pid of pids) kill(pid);
  }
  throw new Error(`These processes do not end: ${pids.join(", ")}.`);
}

/** A killed process is gone in some milliseconds, unless the kernel holds it: half a second in all, beside the looking. */
const passesMax = 50;
const passEveryMs = 10;

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It ended by itself in the meantime.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

function pidsMarked(assignment: string): Promise<number[]> {
  return process.platform === "linux" ? pidsFromProc(assignment) : pidsFromPs(assignment);
}

async function pidsFromProc(assignment: string): Promise<number[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    names.map(async (name) => {
      try {
        const environment = await readFile(`/proc/${name}/environ`, "utf8");
        return environment.split("\0").includes(assignment) ? [Number(name)] : [];
      } catch {
        // Gone, or another user's: not ours either way.
        return [];
      }
    }),
  );
  return found.flat();
}

/** `ps -E` shows the environment after the command on macOS. */
async function pidsFromPs(assignment: string): Promise<number[]> {
  const { stdout } = await promisify(execFile)("ps", ["-axwwE", "-o", "pid=,command="], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout
    .split("\n")
    .filter((line) => line.split(/\s+/).includes(assignment))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid > 0 && pid !== process.pid);
}
