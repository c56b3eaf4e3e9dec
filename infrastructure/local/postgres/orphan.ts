import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
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
  const program = describeProcess(pid, dataDir);
  if (program === null || program.serves === "unknown") return;
  if (program.serves === "something_else") {
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
  while (describeProcess(pid, dataDir)?.serves === "this_directory") {
    if (Date.now() > deadline) {
      throw new PostgresError(
        "in_use",
        `An abandoned database server (process ${pid}) on ${dataDir} does not stop.`,
      );
    }
    await delay(POLL_INTERVAL_MS);
  }
}

type ProcessDescription = { parentPid: number; serves: "this_directory" | "something_else" | "unknown" };

/** Null when there is no such process. */
function describeProcess(pid: number, dataDir: string): ProcessDescription | null {
  if (process.platform === "linux") return describeLinuxProcess(pid, dataDir);
  const { stdout } = spawnSync("ps", ["-ww", "-o", "ppid=,args=", "-p", String(pid)], { encoding: "utf8" });
  const { parentPid, commandLine } =
    /^\s*(?<parentPid>\d+)\s+(?<commandLine>.*)$/.exec(stdout.trimEnd())?.groups ?? {};
  if (parentPid === undefined || commandLine === undefined) return null;
  if (commandLine.includes(dataDir)) return { parentPid: Number(parentPid), serves: "this_directory" };
  // A directory that was renamed still stands under its old name in the arguments of the server that runs on it.
  const mayBeRenamed = commandLine.includes("postgres");
  return { parentPid: Number(parentPid), serves: mayBeRenamed ? "unknown" : "something_else" };
}

/** A server's working directory is its data directory, and stays it when that is renamed. */
function describeLinuxProcess(pid: number, dataDir: string): ProcessDescription | null {
  let parentPid: number;
  try {
    // After the name in parentheses: state, parent, …
    const [state, parent] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    if (state === undefined || state === "Z") return null;
    parentPid = Number(parent);
  } catch {
    return null;
  }
  try {
    const serves = readlinkSync(`/proc/${pid}/cwd`) === dataDir ? "this_directory" : "something_else";
    return { parentPid, serves };
  } catch {
    return { parentPid, serves: "unknown" };
  }
}
