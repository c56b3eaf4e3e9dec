import { execFile } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { promisify } from "node:util";

/**
 * Kills every process that belongs to one of the machines. A virtual machine takes all of its processes with it; here
 * some may have left their group, so they are known by what they inherited: an environment variable of which
 * `isOurs` says so (given as `NAME=value`).
 */
export async function killByEnvironment(isOurs: (assignment: string) => boolean): Promise<void> {
  for (const pid of await pidsByEnvironment(isOurs)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      // It ended by itself in the meantime.
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
}

function pidsByEnvironment(isOurs: (assignment: string) => boolean): Promise<number[]> {
  return process.platform === "linux" ? pidsFromProc(isOurs) : pidsFromPs(isOurs);
}

async function pidsFromProc(isOurs: (assignment: string) => boolean): Promise<number[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    names.map(async (name) => {
      try {
        const environment = await readFile(`/proc/${name}/environ`, "utf8");
        return environment.split("\0").some(isOurs) ? [Number(name)] : [];
      } catch {
        // Gone, or another user's: not ours either way.
        return [];
      }
    }),
  );
  return found.flat();
}

/** `ps -E` shows the environment after the command on macOS. A value with a space in it is not recognised. */
async function pidsFromPs(isOurs: (assignment: string) => boolean): Promise<number[]> {
  const { stdout } = await promisify(execFile)("ps", ["-axwwE", "-o", "pid=,command="], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout
    .split("\n")
    .filter((line) => line.split(/\s+/).some(isOurs))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid > 0 && pid !== process.pid);
}
