import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  controllerHealthSchema,
  gatewayStatusSchema,
  type ControllerHealth,
  type GatewayStatus,
} from "../../src/gateway/wire.ts";
import { freePortPair } from "./ports.ts";
import type { Behaviour } from "./stand-in-gateway.ts";

export const GATEWAY_TOKEN = "a1".repeat(32);
export const PROXY_TOKEN = "b2".repeat(32);
export const ORIGIN = "http://127.0.0.1:8787";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const STAND_IN = new URL("stand-in-gateway.ts", import.meta.url).href;

export interface LogLine {
  readonly message: string;
  readonly [field: string]: unknown;
}

export interface ControllerProcess {
  readonly url: string;
  readonly gatewayUrl: string;
  readonly port: number;
  readonly root: string;
  readonly home: string;
  readonly process: ChildProcess;
  readonly log: readonly LogLine[];
  /** Resolves with the first line, past or to come, for which `test` is true. */
  logged(test: (line: LogLine) => boolean): Promise<LogLine>;
  /** Resolves when the gateway's state changes to this one, after the change that was awaited last. */
  reached(state: GatewayStatus["state"]): Promise<LogLine>;
  health(): Promise<ControllerHealth>;
  gateway(operation: "status" | "start" | "stop" | "restart"): Promise<GatewayStatus>;
  /** Calls a route of ours with the gateway token; a body is sent as JSON. */
  kilo(path: string, init?: { readonly method?: string; readonly body?: unknown }): Promise<Response>;
  behave(behaviour: Behaviour): Promise<void>;
  /** Ends the process by a signal and resolves with its exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ControllerOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What the Worker gives the machine, `MACHINE_ENV` by default. */
  readonly machineEnv?: Readonly<Record<string, string>>;
  readonly behaviour?: Behaviour;
  /** Where OpenClaw is installed; a stand-in by default. */
  readonly openClawDir?: string;
  /** The version that the stand-in claims to be. */
  readonly openClawVersion?: string;
  /** The program, `main.ts` by default. */
  readonly main?: string;
  /** Called with the volume before the start. */
  readonly prepare?: (home: string) => Promise<void>;
  /** One that was killed, whose volume and ports are to be taken over. */
  readonly after?: ControllerProcess;
}

/** The environment that the Worker gives a machine. */
export const MACHINE_ENV: Readonly<Record<string, string>> = {
  KILOCLAW_SANDBOX_ID: "sandbox-1",
  KILOCLAW_GATEWAY_TOKEN: GATEWAY_TOKEN,
  KILOCLAW_PROXY_TOKEN: PROXY_TOKEN,
  OPENCLAW_ALLOWED_ORIGINS: `${ORIGIN},http://localhost:8787`,
};

/** Starts the controller as a process of its own, on free ports and a fresh volume. It listens when this resolves. */
export async function startController(options: ControllerOptions = {}): Promise<ControllerProcess> {
  const root = options.after?.root ?? (await mkdtemp(join(tmpdir(), "kiloclaw-controller-")));
  const home = join(root, "home");
  await mkdir(home, { recursive: true });
  await options.prepare?.(home);
  const behave = (behaviour: Behaviour): Promise<void> =>
    writeFile(join(home, "behaviour.json"), JSON.stringify(behaviour));
  if (options.behaviour !== undefined) await behave(options.behaviour);
  const port = options.after?.port ?? (await freePortPair());
  const child = spawn(process.execPath, [options.main ?? MAIN], {
    cwd: root,
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      PORT: String(port),
      KILOCLAW_LISTEN_HOST: "127.0.0.1",
      OPENCLAW_DIR:
        options.openClawDir ?? (await installStandIn(root, options.openClawVersion ?? "2026.9.6")),
      ...(options.machineEnv ?? MACHINE_ENV),
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  const log: LogLine[] = [];
  const listeners = new Set<(line: LogLine) => void>();
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line: LogLine = JSON.parse(text);
    log.push(line);
    for (const listener of listeners) listener(line);
  });
  const logged = (test: (line: LogLine) => boolean): Promise<LogLine> =>
    new Promise((resolve, reject) => {
      const past = log.find(test);
      if (past !== undefined) return resolve(past);
      const listener = (line: LogLine): void => {
        if (!test(line)) return;
        listeners.delete(listener);
        resolve(line);
      };
      listeners.add(listener);
      void exited.then(() =>
        reject(new Error(`the controller ended: ${errors}\n${JSON.stringify(log.slice(-20))}`)),
      );
    });
  let seen = -1;
  const url = `http://127.0.0.1:${port}`;
  const kilo: ControllerProcess["kilo"] = (path, { method, body } = {}) =>
    fetch(`${url}/_kilo${path}`, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: {
        authorization: `Bearer ${GATEWAY_TOKEN}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const end = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await exited;
    }
    return child.exitCode;
  };
  const controller: ControllerProcess = {
    url,
    gatewayUrl: `http://127.0.0.1:${port + 1}`,
    port,
    root,
    home,
    process: child,
    log,
    logged,
    async reached(state) {
      const line = await logged((item) => isChangeTo(item, state) && log.indexOf(item) > seen);
      seen = log.indexOf(line);
      return line;
    },
    health: async () => controllerHealthSchema.parse(await (await fetch(`${url}/_kilo/health`)).json()),
    async gateway(operation) {
      const method = operation === "status" ? "GET" : "POST";
      return gatewayStatusSchema.parse(await (await kilo(`/gateway/${operation}`, { method })).json());
    },
    kilo,
    behave,
    end,
    async [Symbol.asyncDispose]() {
      await end();
      // What the gateway started may be at its last words.
      await rm(root, { recursive: true, force: true, maxRetries: 10 });
    },
  };
  await logged((line) => line.message === "the controller listens");
  return controller;
}

/** Whether anything answers at a URL. */
export function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    async (response) => {
      await response.body?.cancel();
      return true;
    },
    () => false,
  );
}

function isChangeTo(line: LogLine, state: string): boolean {
  return line.message === "the gateway changed state" && line["state"] === state;
}

/** A directory like one into which pnpm installed OpenClaw, with the stand-in in its place. */
async function installStandIn(root: string, version: string): Promise<string> {
  const modules = join(root, "openclaw", "node_modules");
  await mkdir(join(modules, "openclaw"), { recursive: true });
  await mkdir(join(modules, "json5"), { recursive: true });
  await writeFile(join(modules, "openclaw", "package.json"), JSON.stringify({ version }));
  await writeFile(join(modules, "openclaw", "openclaw.mjs"), `await import(${JSON.stringify(STAND_IN)});\n`);
  await writeFile(join(modules, "json5", "index.js"), "exports.parse = JSON.parse;\n");
  return join(root, "openclaw");
}
