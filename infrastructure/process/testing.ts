import { spawnSync } from "node:child_process";

/** For tests: whether the process runs. A dead one that nobody has reaped, as in a container without an init, does not. */
export function isRunning(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.trim().startsWith("Z");
}

export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  /** The command line and, where the system tells, the environment after it. */
  readonly text: string;
}

/** For tests: all processes of the computer. */
export function listProcesses(): ProcessEntry[] {
  const flags = process.platform === "linux" ? ["axeww"] : ["-axwwE"];
  const { stdout, status } = spawnSync("ps", [...flags, "-o", "pid=,ppid=,args="], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error("ps can't list the processes.");
  return [...stdout.matchAll(/^ *(\d+) +(\d+) (.*)$/gmu)].map(([, pid, parentPid, text = ""]) => ({
    pid: Number(pid),
    parentPid: Number(parentPid),
    text,
  }));
}
