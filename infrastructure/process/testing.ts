import { spawnSync } from "node:child_process";

/** For tests: whether the process runs. A dead one that nobody has reaped, as in a container without an init, does not. */
export function isRunning(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.trim().startsWith("Z");
}
