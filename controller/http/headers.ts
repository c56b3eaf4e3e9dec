import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { OWNER_IDENTITY } from "../secrets.ts";

/**
 * OpenClaw refuses a proxied request whose client address is missing or loopback (its docs,
 * gateway/trusted-proxy-auth.md). Where the browser's address is unknown, this one stands for it; it is of
 * TEST-NET-1 (RFC 5737), which no client has.
 */
export const UNKNOWN_CLIENT_ADDRESS = "192.0.2.1";

/** RFC 9110 §7.6.1, a fixed list: what `Connection` names is the client's wish and strips nothing of ours. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
]);

/** Names by which some proxy or other tells who a client is. All of them are ours to say. */
const VOUCHING = new Set([
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "client-ip",
  "forwarded",
  "from",
  "remote-addr",
  "remote-email",
  "remote-groups",
  "remote-name",
  "remote-user",
  "true-client-ip",
  "via",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-original-host",
  "x-original-url",
  "x-real-ip",
  "x-remote-user",
  "x-rewrite-url",
  "x-user",
]);

const VOUCHING_PREFIXES = [
  "cf-access-",
  "fly-",
  "tailscale-",
  "x-auth-request-",
  "x-forwarded-",
  "x-goog-authenticated-user-",
  "x-kiloclaw-",
  "x-openclaw-",
  "x-pomerium-",
];

export interface ProxyIdentity {
  /** Name of the header that makes a request the owner's. */
  readonly ownerHeader: string;
  /** The first is used where the request's own origin is missing or none of these. */
  readonly allowedOrigins: readonly [string, ...string[]];
}

/**
 * The headers with which a request that showed the proxy token goes on to the gateway: the client's, without
 * anything that vouches for somebody, and with what we vouch for.
 */
export function requestHeaders(
  incoming: IncomingHttpHeaders,
  identity: ProxyIdentity,
  options: { readonly upgrade: boolean },
): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {};
  for (const [name, value] of Object.entries(incoming)) {
    if (!HOP_BY_HOP.has(name) && !vouches(name) && name !== "expect") headers[name] = value;
  }
  if (options.upgrade) {
    headers.connection = "Upgrade";
    headers.upgrade = "websocket";
  }
  const origin = new URL(publicOrigin(incoming["x-kiloclaw-public-origin"], identity.allowedOrigins));
  headers.host = origin.host;
  headers["x-forwarded-host"] = origin.host;
  headers["x-forwarded-proto"] = origin.protocol.slice(0, -1);
  headers["x-forwarded-for"] = clientAddress(incoming["x-kiloclaw-client-ip"]);
  headers[identity.ownerHeader] = OWNER_IDENTITY;
  return headers;
}

/**
 * Whether a WebSocket is asked for by a page of ours, or by no page at all. A browser sends its cookies with a WebSocket from
 * any page and asks nobody, and OpenClaw 2026.2 does not look at the origin of a proxied client that is no Control UI, and
 * takes any loopback one (openclaw-gateway.md §3.3; measured).
 */
export function isFromOwnPage(incoming: IncomingHttpHeaders, identity: ProxyIdentity): boolean {
  return incoming.origin === undefined || identity.allowedOrigins.includes(incoming.origin);
}

/**
 * Removes from a gateway's response what would speak to the hops between it and the browser: hop-by-hop
 * headers, and `fly-*`, by which a machine could have Fly's proxy replay a request elsewhere.
 */
export function cleanResponseHeaders(
  headers: IncomingHttpHeaders,
  options: { readonly upgrade: boolean },
): void {
  for (const name of Object.keys(headers)) {
    const belongsToUpgrade = options.upgrade && (name === "connection" || name === "upgrade");
    if (
      (HOP_BY_HOP.has(name) && !belongsToUpgrade) ||
      name.startsWith("fly-") ||
      name.startsWith("x-kiloclaw-")
    ) {
      delete headers[name];
    }
  }
}

function vouches(name: string): boolean {
  return VOUCHING.has(name) || VOUCHING_PREFIXES.some((prefix) => name.startsWith(prefix));
}

function clientAddress(given: string | string[] | undefined): string {
  if (typeof given !== "string") return UNKNOWN_CLIENT_ADDRESS;
  const address = given.trim();
  switch (isIP(address)) {
    case 4:
      return address.startsWith("127.") || address.startsWith("0.") ? UNKNOWN_CLIENT_ADDRESS : address;
    case 6:
      return isLoopbackV6(address) ? UNKNOWN_CLIENT_ADDRESS : address;
    default:
      return UNKNOWN_CLIENT_ADDRESS;
  }
}

function isLoopbackV6(address: string): boolean {
  const canonical = new URL(`http://[${address.split("%", 1)[0] ?? ""}]`).hostname;
  return canonical === "[::1]" || canonical === "[::]" || /^\[::ffff:(?:7f|0:)/.test(canonical);
}

function publicOrigin(given: string | string[] | undefined, allowed: readonly [string, ...string[]]): string {
  return typeof given === "string" && allowed.includes(given) ? given : allowed[0];
}
