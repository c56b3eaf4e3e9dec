import { readdir, readFile } from "node:fs/promises";

/** The most memory that the Worker's runtime, a descendant of this process, has held so far, in MiB (Linux only). */
export async function workerdPeakMib(): Promise<number> {
  const pid = await findWorkerd(process.pid);
  if (pid === undefined) throw new Error("no workerd runs");
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024;
}

async function findWorkerd(pid: number): Promise<number | undefined> {
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (command.split("\0")[0]?.endsWith("/workerd") === true) return pid;
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
  for (const task of tasks) {
    const children = await readFile(`/proc/${pid}/task/${task}/children`, "utf8").catch(() => "");
    for (const child of children.split(" ").filter(Boolean)) {
      const found = await findWorkerd(Number(child));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
