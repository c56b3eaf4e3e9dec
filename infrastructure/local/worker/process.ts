import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";
import { z } from "zod";
import { bundleWorker } from "./bundle.ts";
import { ToWorkerProcess } from "./messages.ts";
import type { FromWorkerProcess, StartMessage } from "./messages.ts";

// The Worker's own process: Miniflare with workerd under it. `node process.ts <wrangler.jsonc> <persist dir>`, started by
// ../worker.ts with an IPC channel. It ends itself when that channel closes, so that nothing outlives its parent.

if (process.send === undefined) throw new Error("This program is started by infrastructure/local/worker.ts.");
const [configPath, persistDir] = z.tuple([z.string(), z.string()]).parse(process.argv.slice(2));
const config = unstable_readConfig({ config: configPath });

let running: Miniflare | undefined;
let ending = false;

if (config.main === undefined) throw new Error(`${configPath} names no main module.`);
const bundle = bundleWorker({ configPath, main: config.main, outDir: join(persistDir, "bundle") });
bundle.catch(fail);

process.on("message", (raw) => {
  const message = ToWorkerProcess.parse(raw);
  switch (message.kind) {
    case "start":
      start(message).catch(fail);
      return;
    case "stop":
      end(0);
      return;
    default:
      message satisfies never;
  }
});
process.on("disconnect", () => end(0));

async function start(message: StartMessage): Promise<void> {
  const { dir, modules } = await bundle;
  const hyperdrives = z.array(z.object({ binding: z.string() })).parse(config.hyperdrive);
  const { workerOptions } = unstable_getMiniflareWorkerOptions(config);
  // The bundle is complete, and Miniflare 5 refuses rules and a root path beside a list of modules.
  delete workerOptions.modulesRules;
  delete workerOptions["rootPath"];
  running = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      log: new LogToParent(LogLevel.WARN),
      handleStructuredLogs: ({ level, message: line }) =>
        tell({ kind: "log", level: levelOf(level), line: clean(line) }),
      handleUncaughtError: (error) =>
        tell({ kind: "log", level: "error", line: clean(String(error.stack ?? error)) }),
      // Miniflare would carry on with a fresh workerd; a Worker that crashed is for its developer to see.
      unsafeHandleRuntimeRestart: () => fail(new Error("The Workers runtime (workerd) crashed.")),
      cf: false,
      logRequests: false,
      telemetry: { enabled: false },
      resourcePersistencePath: join(persistDir, "storage"),
      workers: [
        {
          ...workerOptions,
          name: WORKER_NAME,
          // Only what wrangler.jsonc and the caller say: a developer's .dev.vars are for `wrangler dev`.
          bindings: { ...config.vars, ...message.bindings },
          hyperdrives: Object.fromEntries(hyperdrives.map(({ binding }) => [binding, message.databaseUrl])),
          modulesRoot: dir,
          modules,
          // Browsers speak to workerd itself, as in production, and not to Miniflare's entry Worker, which re-encodes bodies.
          unsafeDirectSockets: [{ host: message.host, port: message.port }],
        },
      ],
    }),
  );
  await running.ready;
  const url = await running.unsafeGetDirectURL(WORKER_NAME);
  tell({ kind: "ready", url: url.origin });
}

/** workerd is gone within tens of milliseconds. */
const DISPOSE_MS_MAX = 2_000;

const WORKER_NAME = "kiloclaw";

function fail(error: unknown): void {
  const taken = error instanceof Error && "code" in error && error.code === "ERR_ADDRESS_IN_USE";
  const message = clean(error instanceof Error ? error.message : String(error));
  tell(taken ? { kind: "portTaken" } : { kind: "failed", message }, () => end(1));
}

function end(code: number): void {
  if (ending) return;
  ending = true;
  // Should workerd not go by itself: the group is this process and what it started.
  setTimeout(() => process.kill(-process.pid, "SIGKILL"), DISPOSE_MS_MAX);
  Promise.resolve(running?.dispose()).then(
    () => process.exit(code),
    () => process.exit(1),
  );
}

function tell(message: FromWorkerProcess, sent: () => void = () => {}): void {
  if (process.send === undefined || !process.connected) sent();
  else process.send(message, undefined, undefined, sent);
}

/** Miniflare's own messages, without the colours and the decoration that it prints for a terminal of its own. */
class LogToParent extends Log {
  override logWithLevel(level: LogLevel, message: string): void {
    if (level <= this.level)
      tell({ kind: "log", level: level === LogLevel.ERROR ? "error" : "warn", line: clean(message) });
  }
}

function levelOf(level: string): "debug" | "info" | "warn" | "error" {
  if (level === "error" || level === "warn" || level === "debug") return level;
  return "info";
}

function clean(text: string): string {
  return stripVTControlCharacters(text).trim();
}
