import type { IncomingMessage } from "node:http";
import { serverHeader } from "../server-header.ts";

/** Of one connection only (RFC 9110 §7.6.1). */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What the edge says itself: a client's own value never gets through. */
const edgeOwned = new Set([
  "fly-force-instance-id",
  "fly-prefer-instance-id",
  "fly-client-ip",
  "fly-forwarded-port",
  "fly-region",
  "fly-request-id",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-forwarded-ssl",
  "via",
  // Answered by the edge itself before the body comes.
  "expect",
]);

/** The request's target in origin form, whichever form the client chose (RFC 9112 §3.2). */
export function originForm(target: string | undefined): string {
  if (target === undefined || target.startsWith("/") || target === "*") return target ?? "/";
  const url = URL.parse(target);
  return url === null ? "/" : url.pathname + url.search;
}

export interface EdgeFacts {
  requestId: string;
  region: string;
  /** The port that the client came in by, as the machine's service has it. */
  edgePort: number;
  tls: boolean;
  /** The app's own address, which Fly puts last into X-Forwarded-For. */
  appIp: string;
}

/**
 * The headers that the machine gets, as a flat list of names and values: the client's without those of one hop, and
 * those that Fly adds (contracts/fly-machines-api §8.4).
 */
export function requestHeaders(request: IncomingMessage, edge: EdgeFacts): string[] {
  const clientIp = plainAddress(request.socket.remoteAddress ?? "");
  const forwardedFor = [request.headers["x-forwarded-for"], clientIp, edge.appIp]
    .flat()
    .filter((address) => address !== undefined && address !== "");
  const givenPort = request.headers["x-forwarded-port"];
  return [
    ...endToEnd(request, edgeOwned),
    ...bodyHeaders(request),
    "Fly-Client-IP",
    clientIp,
    "Fly-Forwarded-Port",
    String(edge.edgePort),
    "Fly-Region",
    edge.region,
    "Fly-Request-Id",
    edge.requestId,
    "X-Forwarded-For",
    forwardedFor.join(", "),
    "X-Forwarded-Proto",
    edge.tls ? "https" : "http",
    "X-Forwarded-Port",
    // Fly lets the client say this one.
    typeof givenPort === "string" ? givenPort : String(edge.edgePort),
    "X-Forwarded-SSL",
    edge.tls ? "on" : "off",
    "Via",
    [request.headers["via"], "2 fly.io"].flat().filter(Boolean).join(", "),
  ];
}

/** The headers that the client gets: the machine's without those of one hop, and the edge's own. */
export function responseHeaders(response: IncomingMessage, requestId: string): string[] {
  return [
    ...endToEnd(response, new Set(["server", "via", "fly-request-id"])),
    ...edgeHeaders(requestId, response.headers["via"]),
  ];
}

/** What stands on every answer of the edge, also on those that it makes itself. */
export function edgeHeaders(requestId: string, via?: string): string[] {
  return [
    "Server",
    serverHeader,
    "Via",
    via === undefined ? "1.1 fly.io" : `${via}, 1.1 fly.io`,
    "Fly-Request-Id",
    requestId,
  ];
}

/** All but those of one hop, of which `Connection` may name more, and `others`. Repeated headers stay repeated. */
function endToEnd(message: IncomingMessage, others: ReadonlySet<string>): string[] {
  const named = new Set(
    (message.headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase()),
  );
  const kept: string[] = [];
  for (let index = 0; index + 1 < message.rawHeaders.length; index += 2) {
    const [name = "", value = ""] = message.rawHeaders.slice(index, index + 2);
    const lower = name.toLowerCase();
    if (!hopByHop.has(lower) && !named.has(lower) && !others.has(lower)) kept.push(name, value);
  }
  return kept;
}

/** A body of unknown length goes on as chunks; where there is none, a method that may have one says so. */
function bodyHeaders(request: IncomingMessage): string[] {
  if (request.headers["transfer-encoding"] !== undefined) return ["Transfer-Encoding", "chunked"];
  const mayHaveBody = !["GET", "HEAD", "DELETE", "OPTIONS"].includes(request.method ?? "");
  return mayHaveBody && request.headers["content-length"] === undefined ? ["Content-Length", "0"] : [];
}

function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
