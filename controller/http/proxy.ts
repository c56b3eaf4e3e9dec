import { Agent, type ClientRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createProxyServer } from "httpxy";
import { errorText, type Log } from "../log.ts";
import { acceptAnswer } from "./answer.ts";
import { cleanResponseHeaders, isFromOwnPage, requestHeaders, type ProxyIdentity } from "./headers.ts";
import { refuseUpgrade, sendProblem } from "./problem.ts";
import { destroyAfterEnd } from "./sockets.ts";

/** Connections to the gateway at once; server-sent events hold one each, for as long as a page is open. */
const CONNECTIONS_MAX = 1024;
/** The gateway answers an upgrade in milliseconds; one that hangs must not hold the browser for ever. */
const UPGRADE_TIMEOUT_MS = 30_000;
/** Interim answers (RFC 9110 §15.2) to one request, of which none is passed on; the gateway has no use for them. */
const INTERIM_ANSWERS_MAX = 16;

export interface GatewayProxy {
  web(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Cuts every open WebSocket and idle connection. */
  close(): void;
}

/**
 * Streams requests and WebSockets to the gateway on loopback; nothing is buffered beyond the sockets' own
 * windows. Redirects and cookies pass as they are. The caller has checked that the request may pass.
 */
export function createGatewayProxy(options: {
  readonly port: number;
  readonly identity: ProxyIdentity;
  readonly log: Log;
}): GatewayProxy {
  const { identity, log } = options;
  const target = `http://127.0.0.1:${options.port}`;
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  const sockets = new Set<Duplex>();
  const switched = new WeakSet<Duplex>();
  const proxy = createProxyServer();

  proxy.on("proxyReqWs", (proxyRequest, _request, socket) => {
    limitInterimAnswers(proxyRequest);
    // These listeners stand before httpxy's own, which write status and headers to the client.
    proxyRequest.once("response", (answer) => {
      if (acceptAnswer(answer)) return;
      reportUnusable(log, answer);
      refuseUpgrade(socket, "upstream_failed");
    });
    proxyRequest.once("upgrade", (answer) => {
      cleanResponseHeaders(answer.headers, { upgrade: true });
      switched.add(socket);
      destroyAfterEnd(socket);
    });
  });
  proxy.on("proxyReq", (proxyRequest, _request, response) => {
    limitInterimAnswers(proxyRequest);
    // For a 101 that nobody asked for, Node emits no error and no response, and of itself only "close".
    proxyRequest.once("upgrade", (answer, upstream) => {
      upstream.destroy();
      reportUnusable(log, answer);
      sendProblem(response, "upstream_failed");
    });
    const onClose = (): void => {
      if (!response.headersSent && !response.destroyed) sendProblem(response, "upstream_failed");
    };
    proxyRequest.once("close", onClose).once("response", () => proxyRequest.off("close", onClose));
  });
  proxy.on("proxyRes", (answer, _request, response) => {
    if (!acceptAnswer(answer)) {
      reportUnusable(log, answer);
      sendProblem(response, "upstream_failed");
      return;
    }
    // httpxy would promise to keep a connection alive that the client has asked to close.
    answer.headers.connection = response.shouldKeepAlive ? "keep-alive" : "close";
  });
  proxy.on("error", (error, _request, response) => {
    const code = "code" in error && typeof error.code === "string" ? error.code : "";
    // Refused: nothing of the request was seen. Anything later may have had an effect, and is no invitation to try again.
    const answer = code === "ECONNREFUSED" ? "starting" : "upstream_failed";
    if (answer === "upstream_failed")
      log("warn", "proxying to the gateway failed", { error: errorText(error), code });
    if (response instanceof Socket) {
      if (switched.has(response)) response.destroy();
      else refuseUpgrade(response, answer);
    } else if (response !== undefined) {
      sendProblem(response, answer);
    }
  });

  // The "error" event above tells what went wrong; the promises reject besides when the client's own side fails.
  const onClientFailure = (error: unknown): void =>
    log("info", "a client's connection failed", { error: errorText(error) });

  return {
    web(request, response) {
      request.headers = requestHeaders(request.headers, identity, { upgrade: false });
      proxy.web(request, response, { target, agent }).catch(onClientFailure);
    },
    upgrade(request, socket, head) {
      if (!(socket instanceof Socket)) {
        socket.destroy();
        return;
      }
      if (!isFromOwnPage(request.headers, identity)) return refuseUpgrade(socket, "forbidden");
      request.headers = requestHeaders(request.headers, identity, { upgrade: true });
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      proxy.ws(request, socket, { target, upgradeTimeout: UPGRADE_TIMEOUT_MS }, head).catch(onClientFailure);
    },
    close() {
      for (const socket of sockets) socket.destroy();
      agent.destroy();
    },
  };
}

function reportUnusable(log: Log, answer: IncomingMessage): void {
  log("warn", "the gateway's answer is unusable", { status: answer.statusCode });
}

function limitInterimAnswers(proxyRequest: ClientRequest): void {
  let count = 0;
  proxyRequest.on("information", () => {
    count += 1;
    if (count > INTERIM_ANSWERS_MAX) proxyRequest.destroy(new Error("too many interim answers"));
  });
}
