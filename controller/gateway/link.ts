import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import type { z } from "zod";
import { errorText, type Log } from "../log.ts";
import { controllerVersion } from "../version.ts";
import { CHALLENGE, connectParams, frameSchema, helloSchema, type GatewayError } from "./protocol.ts";

/** How the controller proves to the gateway that it is the controller. */
export interface LinkCredentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly password: string | null;
}

export type CallResult =
  | { readonly kind: "answered"; readonly payload: unknown }
  /** The gateway answered with an error of its own. */
  | { readonly kind: "refused"; readonly error: GatewayError }
  /** Nothing was sent: there is no connection. */
  | { readonly kind: "not_connected" }
  /** It was sent, and whether it had an effect is not known. */
  | { readonly kind: "no_answer"; readonly why: "timeout" | "disconnected" };

export interface GatewayHello {
  /** What the process says of its own version; null where it says nothing of use. */
  readonly version: string | null;
  readonly methods: ReadonlySet<string>;
}

export interface GatewayLink {
  /** Tries to connect from now on, with these credentials, and again whenever the connection ends; `close` ends that. */
  open(credentials: LinkCredentials): void;
  /** Ends the connection and the tries. */
  close(): void;
  hello(): GatewayHello | null;
  /** Resolves to whether there is a connection, as soon as there is one, or when `signal` ends the wait. */
  connected(signal: AbortSignal): Promise<boolean>;
  /** Resolves when the connection that there is now has ended; at once where there is none. */
  ended(): Promise<void>;
  /** Calls a method. Never rejects. */
  call(method: string, params: Readonly<Record<string, unknown>>, timeoutMs?: number): Promise<CallResult>;
}

export interface LinkOptions {
  readonly port: number;
  readonly log: Log;
  /** An event of the gateway, its payload unread. One that throws is logged, and harms nothing. */
  readonly onEvent?: (event: string, payload: unknown) => void;
  /** Called at each connection made. */
  readonly onConnect?: (hello: GatewayHello) => void;
}

const CONNECT_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 10_000;
/** A gateway that starts listens after seconds, and answers its first requests with "starting" for one or two more. */
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 500;
/** Nobody asks for more at a time; one who does is told so. */
const CALLS_MAX = 64;
/** No list that is asked for comes near it. The gateway's own limit is 25 MiB (§3.2). */
const FRAME_BYTES_MAX = 8 * 1024 * 1024;
/** Being refused is usual while a gateway starts; a log line for each time would be noise. */
const REFUSED_LOG_EVERY = 20;

/**
 * The controller's own connection to the gateway: readiness, events and calls in milliseconds. A gateway that lets it in is
 * ready: 2026.9.6 refuses with "starting" until /readyz answers 200 (measured), and 2026.2.26 has no other probe (§0.4).
 */
export function createGatewayLink(options: LinkOptions): GatewayLink {
  const { log } = options;
  let stop: AbortController | null = null;
  let current: Connection | null = null;
  /** Replaced at every connection made, so that those who wait learn of it. */
  let made = deferred();

  const isConnected = (): boolean => current !== null;

  const run = async (credentials: LinkCredentials, signal: AbortSignal): Promise<void> => {
    let pauseMs = RETRY_FIRST_MS;
    for (let failures = 0; !signal.aborted;) {
      const result = await connect(options, credentials, signal);
      if (result.kind === "connected") {
        pauseMs = RETRY_FIRST_MS;
        failures = 0;
        current = result.connection;
        made.resolve();
        made = deferred();
        tell(log, () => options.onConnect?.(result.connection.hello));
        await result.connection.ended;
        if (current === result.connection) current = null;
        continue;
      }
      failures += 1;
      if (result.reason !== null && failures % REFUSED_LOG_EVERY === 0)
        log("warn", "the gateway does not let the controller in", { reason: result.reason, failures });
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 1.5, RETRY_MAX_MS);
    }
  };

  const close = (): void => {
    stop?.abort();
    stop = null;
    current?.close();
    current = null;
  };

  return {
    open(credentials) {
      close();
      stop = new AbortController();
      run(credentials, stop.signal).catch((error: unknown) =>
        log("error", "the link to the gateway failed", { error: errorText(error) }),
      );
    },
    close,
    hello: () => current?.hello ?? null,
    async connected(signal) {
      while (!isConnected() && !signal.aborted) await Promise.race([made.promise, aborted(signal)]);
      return isConnected() && !signal.aborted;
    },
    ended: async () => current?.ended,
    async call(method, params, timeoutMs = CALL_TIMEOUT_MS) {
      return current === null ? { kind: "not_connected" } : current.call(method, params, timeoutMs);
    },
  };
}

interface Connection {
  readonly hello: GatewayHello;
  readonly ended: Promise<void>;
  call(method: string, params: Readonly<Record<string, unknown>>, timeoutMs: number): Promise<CallResult>;
  close(): void;
}

type Connected =
  | { readonly kind: "connected"; readonly connection: Connection }
  /** `reason` is the gateway's own word, null when nothing listens. */
  | { readonly kind: "failed"; readonly reason: string | null };

function connect(
  { port, log, onEvent }: LinkOptions,
  credentials: LinkCredentials,
  signal: AbortSignal,
): Promise<Connected> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, {
    headers: { ...credentials.headers },
    maxPayload: FRAME_BYTES_MAX,
    handshakeTimeout: CONNECT_TIMEOUT_MS,
    perMessageDeflate: false,
  });
  const waiting = new Map<string, (result: CallResult) => void>();
  const over = deferred();
  let lastId = 0;

  const call = (method: string, params: unknown, timeoutMs: number): Promise<CallResult> =>
    new Promise((resolve) => {
      if (socket.readyState !== WebSocket.OPEN || waiting.size >= CALLS_MAX) {
        resolve({ kind: "not_connected" });
        return;
      }
      lastId += 1;
      const id = String(lastId);
      const settle = (result: CallResult): void => {
        clearTimeout(timer);
        waiting.delete(id);
        resolve(result);
      };
      const timer = setTimeout(() => settle({ kind: "no_answer", why: "timeout" }), timeoutMs);
      waiting.set(id, settle);
      socket.send(JSON.stringify({ type: "req", id, method, params }));
    });

  return new Promise((resolve) => {
    const giveUp = (reason: string | null): void => {
      resolve({ kind: "failed", reason });
      socket.terminate();
    };
    const timer = setTimeout(() => giveUp("timeout"), CONNECT_TIMEOUT_MS);
    const onAbort = (): void => giveUp("closed");
    signal.addEventListener("abort", onAbort, { once: true });

    const greet = async (): Promise<void> => {
      const answer = await call(
        "connect",
        connectParams(controllerVersion, credentials.password),
        CONNECT_TIMEOUT_MS,
      );
      if (answer.kind !== "answered") {
        giveUp(answer.kind === "refused" ? `${answer.error.code}: ${answer.error.message}` : answer.kind);
        return;
      }
      const hello = helloSchema.safeParse(answer.payload);
      if (!hello.success) return giveUp("its hello could not be read");
      clearTimeout(timer);
      resolve({
        kind: "connected",
        connection: {
          hello: helloOf(hello.data),
          ended: over.promise,
          call,
          close: () => socket.terminate(),
        },
      });
    };

    socket.on("message", (data) => {
      const frame = parseFrame(data);
      if (frame === null) return giveUp("a frame could not be read");
      if (frame.type === "res") {
        const answered: CallResult = frame.ok
          ? { kind: "answered", payload: frame.payload }
          : { kind: "refused", error: frame.error ?? { code: "UNKNOWN", message: "no reason was given" } };
        waiting.get(frame.id)?.(answered);
      } else if (frame.event === CHALLENGE) {
        void greet();
      } else {
        tell(log, () => onEvent?.(frame.event, frame.payload));
      }
    });
    socket.on("error", (error) => giveUp(isRefused(error) ? null : errorText(error)));
    socket.on("close", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      for (const settle of waiting.values()) settle({ kind: "no_answer", why: "disconnected" });
      over.resolve();
      resolve({ kind: "failed", reason: "the connection was closed" });
    });
  });
}

function helloOf({ server, features }: z.infer<typeof helloSchema>): GatewayHello {
  const version = server.version ?? "dev";
  return { version: version === "dev" ? null : version, methods: new Set(features.methods) };
}

function parseFrame(data: unknown): z.infer<typeof frameSchema> | null {
  if (!Buffer.isBuffer(data)) return null;
  try {
    return frameSchema.parse(JSON.parse(data.toString("utf8")));
  } catch {
    // Neither JSON nor a frame: whoever listens there is no gateway that we know.
    return null;
  }
}

function tell(log: Log, listener: () => void): void {
  try {
    listener();
  } catch (error) {
    log("error", "a listener to the gateway failed", { error: errorText(error) });
  }
}

function isRefused(error: Error): boolean {
  return "code" in error && error.code === "ECONNREFUSED";
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function deferred(): Deferred {
  return Promise.withResolvers<void>();
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
