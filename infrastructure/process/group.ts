import type { ChildProcess } from "node:child_process";

/** Signals all of a detached child's process group. One that is gone already is no error. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // ESRCH: nobody is left in the group. EPERM: what macOS says of a group of zombies.
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
