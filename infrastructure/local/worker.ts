import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmod, mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { signalGroup } from "../process/group.ts";
import { forEachLine } from "../process/lines.ts";
import type { Log } from "./log.ts";
import { assertPortFree, PortTakenError } from "./ports.ts";
import { FromWorkerProcess } from "./worker/messages.ts";
import type { ToWorkerProcess } from "./worker/messages.ts";

export interface LocalWorker {
  /** `http://host:port`, as a browser would type it. */
  readonly url: string;
  /** Resolves with the reason when the Worker ends without having been closed; never rejects. */
  readonly crashed: Promise<string>;
  /** Ends the Worker and its workerd, within {@link CLOSE_MS_MAX}. What it stored stays. */
  readonly close: () => Promise<void>;
}

export interface LocalWorkerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Variables and secrets, over those of the wrangler configuration. May come later than the start of the build. */
  readonly bindings: Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** What every Hyperdrive binding connects to; a password in it is a must. May come later than the start of the build. */
  readonly databaseUrl: string | Promise<string>;
  /** Keeps the storage of Durable Objects and KV, and the bundle, for its owner alone. */
  readonly persistDir: string;
  readonly log: Log;
  /** The wrangler configuration to run; by default the repository's own. */
  readonly configPath?: string;
}

/**
 * Runs the Worker as production does: wrangler's own bundle in workerd, listening itself, with the simulators of Miniflare
 * behind the bindings. Durable Object alarms fire by themselves, also those that were set before a restart.
 *
 * It runs in a process group of its own: a terminal's Ctrl-C does not reach it, and it ends when this process does, however
 * that happens.
 *
 * @throws {PortTakenError} when the port is taken, and an error with the reason when the Worker does not build or start.
 */
export async function startWorker(options: LocalWorkerOptions): Promise<LocalWorker> {
  const settings = Promise.all([options.bindings, options.databaseUrl]);
  // It is awaited further down; until then a refusal must not count as unhandled.
  settings.catch(() => {});
  const persistDir = resolve(options.persistDir);
  // Durable Objects keep what they are given, and workerd leaves their files readable by everybody.
  await mkdir(persistDir, { recursive: true, mode: 0o700 });
  await chmod(persistDir, 0o700);
  if (options.port !== 0) await assertPortFree(options.host, options.port);

  const child = fork(PROCESS, [options.configPath ?? REPOSITORY_CONFIG, persistDir], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: environment(),
    // Not those of the parent: an `--inspect` or an `--eval` is meant for it alone.
    execArgv: [],
  });
  const { ready, ended } = watch(child, options);
  let closing = false;
  const close = async () => {
    closing = true;
    await end(child, ended);
  };
  try {
    const [url] = await Promise.all([
      ready,
      settings.then(([bindings, databaseUrl]) => {
        send(child, { kind: "start", host: options.host, port: options.port, bindings, databaseUrl });
        return withinBound(ready);
      }),
    ]);
    const crashed = new Promise<string>((report) => {
      void ended.then((reason) => closing || report(reason));
    });
    return { url, crashed, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** workerd is killed and its sockets are closed in some tens of milliseconds; past this the whole group is killed. */
const CLOSE_MS_MAX = 1_000;

/** Build and start take two seconds on a slow machine; past a minute something hangs. */
const START_MS_MAX = 60_000;

const PROCESS = fileURLToPath(new URL("worker/process.ts", import.meta.url));
const REPOSITORY_CONFIG = fileURLToPath(new URL("../../wrangler.jsonc", import.meta.url));

/** The variables by which wrangler would change what runs here, or act on somebody's account. */
const FOREIGN = /^(CLOUDFLARE|WRANGLER|CF|MINIFLARE|X_LOCAL)_/u;

function environment(): NodeJS.ProcessEnv {
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !FOREIGN.test(name))),
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_SEND_ERROR_REPORTS: "false",
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_LOG: "warn",
    WRANGLER_WRITE_LOGS: "false",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    X_LOCAL_OBSERVABILITY: "false",
  };
}

/** Hands the child's log lines on, and turns its messages and its end into two promises. */
function watch(
  child: ChildProcess,
  options: LocalWorkerOptions,
): { ready: Promise<string>; ended: Promise<string> } {
  const ready = Promise.withResolvers<string>();
  const ended = Promise.withResolvers<string>();
  // What it said last about its own end, which says more than its exit code.
  let reason: string | undefined;

  // Whatever is printed past the loggers of wrangler and Miniflare.
  if (child.stdout) forEachLine(child.stdout, (line) => options.log("info", line));
  if (child.stderr) forEachLine(child.stderr, (line) => options.log("warn", line));
  child.on("message", (raw) => {
    const message = FromWorkerProcess.parse(raw);
    switch (message.kind) {
      case "log":
        options.log(message.level, message.line);
        return;
      case "ready":
        ready.resolve(message.url);
        return;
      case "portTaken":
        ready.reject(new PortTakenError(options.host, options.port));
        return;
      case "failed":
        reason = message.message;
        ready.reject(new Error(message.message));
        return;
      default:
        message satisfies never;
    }
  });
  child.once("error", (error) => {
    ready.reject(error);
    ended.resolve(error.message);
  });
  child.once("exit", (code, signal) => {
    reason ??= `The Worker's process ended with ${signal ?? `code ${code}`}.`;
    ready.reject(new Error(reason));
    ended.resolve(reason);
  });
  return { ready: ready.promise, ended: ended.promise };
}

async function withinBound(ready: Promise<string>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error("The Worker did not start within a minute.")),
    START_MS_MAX,
  );
  try {
    await Promise.race([ready, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function send(child: ChildProcess, message: ToWorkerProcess): void {
  // A channel that is closed already means that the process ends, which `watch` reports.
  if (child.connected) child.send(message);
}

async function end(child: ChildProcess, ended: Promise<string>): Promise<void> {
  const kill = setTimeout(() => signalGroup(child, "SIGKILL"), CLOSE_MS_MAX);
  send(child, { kind: "stop" });
  await ended;
  clearTimeout(kill);
  // workerd, should its parent have died without taking it along.
  signalGroup(child, "SIGKILL");
}
