import { readFileSync } from "node:fs";

/** Processes that are counted: OpenClaw has three of its own, and its tools start more. */
const PROCESSES_MAX = 256;

/**
 * Resident memory of a process and all that it started, in bytes (proc(5)); shared pages are counted for each.
 * Null where the system does not tell.
 */
export function memoryOf(pid: number): number | null {
  if (process.platform !== "linux") return null;
  let bytes: number | null = null;
  const pids = [pid];
  for (let index = 0; index < pids.length && index < PROCESSES_MAX; index += 1) {
    const next = pids[index] ?? pid;
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${next}/status`))?.[1];
    if (kilobytes !== undefined) bytes = (bytes ?? 0) + Number(kilobytes) * 1_024;
    pids.push(...read(`/proc/${next}/task/${next}/children`).split(" ").filter(Boolean).map(Number));
  }
  return bytes;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It ended a moment ago.
    return "";
  }
}
