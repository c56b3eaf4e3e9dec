import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join, resolve } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { tryLock } from "../../process/lock.ts";
import { wallClock, type Clock } from "./clock.ts";
import { resumeDeletions } from "./cloud/apps.ts";
import type { Cloud } from "./cloud/cloud.ts";
import { Lifecycle } from "./cloud/lifecycle.ts";
import { regions } from "./cloud/regions.ts";
import { sweepRegularly } from "./cloud/sweep.ts";
import { resumeCopies, volumeReady } from "./cloud/volumes.ts";
import { Circumstances } from "./faults/circumstances.ts";
import { testMode } from "./faults/test-mode.ts";
import { machinesApi } from "./http/api.ts";
import { messageOf, type Log, type LogEntry } from "./log.ts";
import { flyProxy } from "./proxy/server.ts";
import { noRuntime } from "./runtime/none.ts";
import { processRuntime, type ProcessImage } from "./runtime/process.ts";
import { openState } from "./state/disk.ts";
import { timingsSchema, type Timings } from "./timings.ts";

export interface LocalFlyOptions {
  /** Where the state and the volumes are kept; made if missing. One local Fly at a time may have it. */
  dataDir: string;
  /** Default 127.0.0.1. */
  host?: string;
  /** 0 takes any free port. */
  apiPort: number;
  /** 0 takes any free port. */
  proxyPort: number;
  /** What machines are: nothing but state, or processes of this computer that run the image's command. */
  runtime: { kind: "none" } | { kind: "process"; image: ProcessImage };
  /** The one API token that is let in. Without it any non-empty one is. */
  token?: string;
  timings?: Partial<Timings>;
  /** The region that callers are near to. Default `ams`. */
  nearestRegion?: string;
  /** Fly's rate limits per action. Default off. */
  limitsRates?: boolean;
  /** Refuse what live Fly was seen to refuse only at times: see `Rules.strictWait`. Default off. */
  strictWait?: boolean;
  /** Opens `/_test`, by which faults and happenings are asked for. Default off. */
  testMode?: boolean;
  clock?: Clock;
  log?: Log;
}

export interface LocalFly {
  /** The base of the Machines API, without `/v1`. */
  apiUrl: string;
  /** The base of Fly Proxy. */
  proxyUrl: string;
  /**
   * Ends every machine's program within about a second and lets go of the data directory. The machines' states stay as
   * they are: those that were started are started again next time.
   */
  close(): Promise<void>;
}

/** On close, a machine's program may take this long before it is killed. */
const closeTimeoutMs = 800;

/** Longer than clients keep idle connections, so that none is closed while a request is on its way. */
const keepAliveTimeoutMs = 75_000;

/**
 * A Fly of one's own: the Machines API and Fly Proxy over HTTP, with its state on disk. Throws if the data directory
 * is in use or unreadable, or a port is taken.
 */
export async function createLocalFly(options: LocalFlyOptions): Promise<LocalFly> {
  const nearestRegion = options.nearestRegion ?? "ams";
  if (!regions.some(({ code }) => code === nearestRegion)) {
    throw new Error(`There is no region "${nearestRegion}".`);
  }
  const dataDirectory = resolve(options.dataDir);
  const log = options.log ?? ((_entry: LogEntry) => undefined);
  const clock = options.clock ?? wallClock;
  const timings = timingsSchema.parse(options.timings ?? {});
  const undo: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    // In reverse, and all of them whatever one of them does.
    for (const step of undo.splice(0).toReversed()) {
      await step().catch((error: unknown) => log({ kind: "problem", message: messageOf(error) }));
    }
  };
  try {
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
    const release = tryLock(join(dataDirectory, "fly.lock"));
    if (release === undefined) throw new Error(`${dataDirectory} is in use by another local Fly.`);
    undo.push(() => Promise.resolve(release()));
    const state = await openState(dataDirectory, log);
    undo.push(state.close);
    const runtime =
      options.runtime.kind === "none"
        ? noRuntime()
        : processRuntime({ dataDirectory, image: options.runtime.image });
    const { store } = state;
    await runtime.reclaim();
    const circumstances = options.testMode === true ? new Circumstances(store, clock) : undefined;
    const lifecycle = new Lifecycle({
      store,
      clock,
      timings,
      runtime,
      log,
      hindrance: circumstances,
      volumeReady: (volumeId) => volumeReady({ store }, volumeId),
    });
    undo.push(() => lifecycle.close(closeTimeoutMs));
    const rules = { nearestRegion, strictWait: options.strictWait ?? false };
    const closing = new AbortController();
    undo.push(() => Promise.resolve(closing.abort()));
    const cloud: Cloud = { store, clock, timings, runtime, lifecycle, log, rules, closing: closing.signal };
    resumeCopies(cloud);
    resumeDeletions(cloud);
    lifecycle.resumeAll([...store.machines.values()]).catch((error: unknown) => {
      log({ kind: "problem", message: `Machines were not all resumed: ${messageOf(error)}` });
    });
    const stopSweeping = sweepRegularly(cloud, (error) =>
      log({ kind: "problem", message: messageOf(error) }),
    );
    undo.push(() => Promise.resolve(stopSweeping()));

    const api = machinesApi(cloud, {
      token: options.token,
      limitsRates: options.limitsRates ?? false,
      saved: state.saved,
      ...(circumstances === undefined ? {} : testMode(cloud, circumstances, state.saved)),
    });
    const host = options.host ?? "127.0.0.1";
    const answer = getRequestListener(api.fetch);
    const apiServer = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
      void answer(request, response);
    });
    const apiUrl = await listen(apiServer, host, options.apiPort);
    undo.push(() => closeServer(apiServer, () => apiServer.closeAllConnections()));
    const proxy = flyProxy(cloud);
    const proxyUrl = await listen(proxy.server, host, options.proxyPort);
    undo.push(() => closeServer(proxy.server, () => proxy.closeAll()));
    return { apiUrl, proxyUrl, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  server.listen(port, host);
  // Rejects with the server's "error".
  await once(server, "listening");
  const address = server.address();
  return `http://${host}:${typeof address === "object" ? address?.port : port}`;
}

function closeServer(server: Server, dropConnections: () => void): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    dropConnections();
  });
}
