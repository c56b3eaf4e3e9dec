import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { forEachLine } from "../../process/lines.ts";
import type { Log, LogLevel } from "../log.ts";
import { PortTakenError } from "../ports.ts";
import type { Binaries } from "./binaries.ts";
import { PostgresError } from "./error.ts";
import type { Launcher } from "./unprivileged.ts";

export const POSTGRES_HOST = "127.0.0.1";

const READY_TIMEOUT_MS = 30_000;
const TAIL_LINES_MAX = 20;
/** Each escalation of a stop, and how long it may take: fast shutdown, immediate shutdown (recovered at the next start), kill. */
const STOP_SIGNALS = [
  { signal: "SIGINT", timeoutMs: 1_000 },
  { signal: "SIGQUIT", timeoutMs: 400 },
  { signal: "SIGKILL", timeoutMs: 400 },
] as const;

/** How the server ended; `isExpected` when `stop` was called before. */
export type PostgresExit = { isExpected: boolean; code: number | null; signal: NodeJS.Signals | null };

export type Server = { exited: Promise<PostgresExit>; stop(): Promise<void> };

/**
 * Runs the server on loopback until it accepts connections. It is in a process group of its own, so that a terminal's
 * Ctrl-C does not take it away from under the programs that use it.
 * @throws PortTakenError, PostgresError `start_failed`
 */
export async function startServer(options: {
  dataDir: string;
  port: number;
  binaries: Binaries;
  launcher: Launcher;
  durable: boolean;
  log: Log;
}): Promise<Server> {
  const { dataDir, port, binaries, launcher, log } = options;
  const { file, args, ids } = launcher.command(binaries.postgres, ["-D", dataDir, ...settings(options)]);
  const child = spawn(file, args, {
    ...ids,
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  const tail: string[] = [];
  let isStopping = false;
  const exited = new Promise<PostgresExit>((resolve) => {
    child.once("error", (error) => tail.push(error.message));
    // Not "exit": its children hold the same output, and go a moment after it.
    child.once("close", (code, signal) => resolve({ isExpected: isStopping, code, signal }));
  });
  const stop = async () => {
    isStopping = true;
    await stopServer(child, exited);
  };
  // A program that ends without stopping its server (a bug) takes it along.
  const stopAtExit = () => void child.kill("SIGQUIT");
  process.once("exit", stopAtExit);
  void exited.then(() => process.removeListener("exit", stopAtExit));

  const ready = new Promise<"ready">((resolve) => {
    forEachLine(child.stderr, (line) => {
      tail.push(line);
      if (tail.length > TAIL_LINES_MAX) tail.shift();
      log(isStopping ? "debug" : levelOf(line), line);
      if (line.includes("database system is ready to accept connections")) resolve("ready");
    });
  });
  const timeout = timer(READY_TIMEOUT_MS);
  const outcome = await Promise.race([ready, exited, timeout.over]);
  timeout.cancel();
  if (outcome === "ready") return { exited, stop };
  if (outcome === "over") await stop();
  if (tail.some((line) => line.includes("Address already in use")))
    throw new PortTakenError(POSTGRES_HOST, port);
  const reason = tail.join("\n") || "it said nothing";
  throw new PostgresError("start_failed", `Postgres did not start: ${reason}`);
}

function settings({ port, durable }: { port: number; durable: boolean }): string[] {
  const values = {
    port: String(port),
    listen_addresses: POSTGRES_HOST,
    unix_socket_directories: "",
    max_connections: "200",
    shared_buffers: "32MB",
    max_wal_size: "256MB",
    io_method: "sync",
    timezone: "UTC",
    log_timezone: "UTC",
    // The detail of an error quotes rows, and with them access codes.
    log_error_verbosity: "terse",
    ...(durable ? {} : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/** Postgres writes `<time> [<pid>] <severity>:  <text>`; what it calls LOG is its own diary. */
function levelOf(line: string): LogLevel {
  if (/ (?:ERROR|FATAL|PANIC): /.test(line)) return "error";
  return line.includes(" WARNING: ") ? "warn" : "debug";
}

async function stopServer(child: ChildProcess, exited: Promise<PostgresExit>): Promise<void> {
  for (const { signal, timeoutMs } of STOP_SIGNALS) {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const timeout = timer(timeoutMs);
    const outcome = await Promise.race([exited, timeout.over]);
    timeout.cancel();
    if (outcome !== "over") return;
  }
}

function timer(delayMs: number): { over: Promise<"over">; cancel(): void } {
  const { promise, resolve } = Promise.withResolvers<"over">();
  const handle = setTimeout(() => resolve("over"), delayMs);
  return { over: promise, cancel: () => clearTimeout(handle) };
}
