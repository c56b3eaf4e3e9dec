import { readFile } from "node:fs/promises";

/** The environment that a process was started with (proc_pid_environ(5)); null where the system does not tell. */
export async function environmentOf(pid: number): Promise<Readonly<Record<string, string>> | null> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/environ`, "utf8");
  } catch {
    // There is no such file system, or the process has just ended.
    return null;
  }
  const variables = text.split("\0").flatMap((entry): [string, string][] => {
    const at = entry.indexOf("=");
    return at > 0 ? [[entry.slice(0, at), entry.slice(at + 1)]] : [];
  });
  return Object.fromEntries(variables);
}
