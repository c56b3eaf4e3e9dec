import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { ControllerProblemCode } from "../../src/gateway/wire.ts";
import { errorText, type Log } from "../log.ts";
import { isSameSecret } from "../secrets.ts";
import { refuseUpgrade, sendProblem } from "./problem.ts";
import type { GatewayProxy } from "./proxy.ts";
import type { createRoutes } from "./routes.ts";
import { classifyTarget } from "./target.ts";

/** Longer than Fly Proxy keeps an idle connection, so that it is never the one to find it closed. */
const KEEP_ALIVE_MS = 75_000;
const PROXY_TOKEN_HEADER = "x-kiloclaw-proxy-token";

/** The way to the gateway; what the server needs once the environment is known to be valid. */
export interface GatewayDoor {
  readonly proxyToken: string;
  readonly proxy: GatewayProxy;
  isOpen(): boolean;
}

/**
 * The one HTTP server of the machine: our routes under `/_kilo`, everything else for those who show the
 * proxy token, loopback peers included. `door` is null while the environment is unusable.
 */
export function createControllerServer(options: {
  readonly routes: ReturnType<typeof createRoutes>;
  readonly door: () => GatewayDoor | null;
  readonly log: Log;
}): Server {
  const { log } = options;
  const answerRoute = getRequestListener(options.routes.fetch, { overrideGlobalObjects: false });
  // requestTimeout 0: an upload may last for hours. Slow headers are still cut after a minute.
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: 60_000, requestTimeout: 0 });

  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const target = classifyTarget(request.url);
    switch (target.kind) {
      case "controller":
        answerRoute(request, response).catch((error: unknown) => {
          log("error", "a controller route failed", { path: target.path, error: errorText(error) });
          sendProblem(response, "upstream_failed");
        });
        return;
      case "reserved":
        return sendProblem(response, "unknown_route");
      case "malformed":
        return sendProblem(response, "invalid_request");
      case "gateway": {
        const way = admit(request, options.door());
        return way.ok ? way.door.proxy.web(request, response) : sendProblem(response, way.code);
      }
      default:
        return target satisfies never;
    }
  });

  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", (error) => log("info", "a client's socket failed", { error: error.message }));
    const target = classifyTarget(request.url);
    if (target.kind === "controller" || target.kind === "reserved")
      return refuseUpgrade(socket, "unknown_route");
    if (target.kind === "malformed") return refuseUpgrade(socket, "invalid_request");
    const way = admit(request, options.door());
    if (!way.ok) return refuseUpgrade(socket, way.code);
    if (request.method !== "GET" || request.headers.upgrade?.toLowerCase() !== "websocket") {
      return refuseUpgrade(socket, "invalid_request");
    }
    way.door.proxy.upgrade(request, socket, head);
  });
  return server;
}

function admit(
  request: IncomingMessage,
  door: GatewayDoor | null,
): { ok: true; door: GatewayDoor } | { ok: false; code: ControllerProblemCode } {
  if (door === null) return { ok: false, code: "misconfigured" };
  const given = request.headers[PROXY_TOKEN_HEADER];
  if (typeof given !== "string" || !isSameSecret(given, door.proxyToken))
    return { ok: false, code: "unauthenticated" };
  return door.isOpen() ? { ok: true, door } : { ok: false, code: "starting" };
}
