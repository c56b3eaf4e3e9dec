import { readdir, readFile, readlink } from "node:fs/promises";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { killProcess } from "./child.ts";

const POLL_MS = 100;
const CONNECT_TIMEOUT_MS = 1_000;

/**
 * Waits until nothing listens on a loopback port. Resolves to false when something still does after
 * `timeoutMs`, or when `signal` ends the wait.
 */
export async function waitForFreePort(
  port: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (await isListening(port)) {
    if (performance.now() >= deadline) return false;
    const waited = await sleep(POLL_MS, true, { signal }).catch(() => false);
    if (!waited) return false;
  }
  return true;
}

/** Whether a connection to the port is accepted. A try that times out means that something holds it. */
function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const settle = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => settle(true));
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}

/** Connections and processes of one machine that are looked through; a tenant's has dozens. */
const PROCESSES_MAX = 10_000;

/**
 * Kills what listens on a loopback port and was started by the gateway, as its environment shows: a process in a session of
 * its own outlives the gateway's group. Strangers are left alone. Linux only; elsewhere the port is waited for.
 *
 * @param stateDir the gateway's state directory
 * @returns the ids of the processes that were killed
 */
export async function killPortHolders(port: number, stateDir: string): Promise<readonly number[]> {
  if (process.platform !== "linux") return [];
  const inodes = await listeningInodes(port);
  if (inodes.size === 0) return [];
  const killed: number[] = [];
  for (const name of (await readdir("/proc")).slice(0, PROCESSES_MAX)) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || pid < 2 || pid === process.pid) continue;
    if (!(await holds(pid, inodes)) || !(await isOf(pid, stateDir))) continue;
    killProcess(pid);
    killed.push(pid);
  }
  return killed;
}

/** Inodes of the sockets that listen on the port (proc_net(5): state 0A, the address and port in hexadecimal). */
async function listeningInodes(port: number): Promise<ReadonlySet<string>> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const tables = await Promise.all(["/proc/net/tcp", "/proc/net/tcp6"].map(readIfThere));
  const rows = tables.flatMap((table) => table.split("\n").map((line) => line.trim().split(/\s+/)));
  const listening = rows.filter((fields) => fields[1]?.endsWith(suffix) === true && fields[3] === "0A");
  return new Set(listening.flatMap((fields) => fields[9] ?? []));
}

async function holds(pid: number, inodes: ReadonlySet<string>): Promise<boolean> {
  try {
    for (const fd of await readdir(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""))?.[1];
      if (inode !== undefined && inodes.has(inode)) return true;
    }
  } catch {
    // It ended, or is another user's: then it is no child of our gateway.
  }
  return false;
}

async function isOf(pid: number, stateDir: string): Promise<boolean> {
  return (await readIfThere(`/proc/${pid}/environ`)).split("\0").includes(`OPENCLAW_STATE_DIR=${stateDir}`);
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return "";
  }
}
