import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PostgresError } from "./error.ts";

const STOP_TIMEOUT_MS = 5_000;
const POLL_INTERVAL_MS = 20;

/**
 * Makes a data directory free for a new server. What an earlier run left behind because it was killed is cleared away:
 * a server without its parent is shut down, and a lock file whose process id now belongs to another program is removed
 * (after a reboot, or in a new container, ids repeat). Postgres itself deals with the id of a process that is gone.
 * @param ownerPid the process that started the last server here, as it was recorded then
 * @throws PostgresError `in_use` when a living owner's server runs on the directory
 */
export async function clearOrphan(dataDir: string, ownerPid: number | null): Promise<void> {
  const lockFile = join(dataDir, "postmaster.pid");
  const pid = Number((await readFile(lockFile, "utf8").catch(() => "")).split("\n")[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return;
  const program = describeProcess(pid);
  if (program === null) return;
  if (!program.commandLine.includes(dataDir)) {
    await rm(lockFile, { force: true });
    return;
  }
  if (program.parentPid === ownerPid) {
    throw new PostgresError(
      "in_use",
      `The database in ${dataDir} is in use by process ${ownerPid}. Stop that one first.`,
    );
  }
  process.kill(pid, "SIGINT");
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (describeProcess(pid) !== null) {
    if (Date.now() > deadline) {
      throw new PostgresError(
        "in_use",
        `An abandoned database server (process ${pid}) on ${dataDir} does not stop.`,
      );
    }
    await delay(POLL_INTERVAL_MS);
  }
}

type ProcessDescription = { parentPid: number; commandLine: string };

/** Null when there is no such process, or where the platform has no way to tell (Windows: Postgres then decides itself). */
function describeProcess(pid: number): ProcessDescription | null {
  if (process.platform === "linux") {
    try {
      const [state, parentPid] =
        readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      if (state === undefined || state === "Z") return null;
      return { parentPid: Number(parentPid), commandLine: readFileSync(`/proc/${pid}/cmdline`, "utf8") };
    } catch {
      return null;
    }
  }
  if (process.platform === "win32") return null;
  const { stdout } = spawnSync("ps", ["-ww", "-o", "ppid=,args=", "-p", String(pid)], { encoding: "utf8" });
  const match = /^\s*(?<parentPid>\d+)\s+(?<commandLine>.*)$/.exec(stdout.trimEnd());
  if (!match?.groups) return null;
  return { parentPid: Number(match.groups["parentPid"]), commandLine: match.groups["commandLine"] ?? "" };
}
