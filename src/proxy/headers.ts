import { foreignSetCookie, withoutSessionCookies } from "../auth/cookies.ts";

/** Hop-by-hop headers (RFC 9110 §7.6.1); what `Connection` names beside them is not honoured. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
];
/** Claims about who asks and from where: one trusted value of each is built anew, the sender's are dropped. */
const CLAIMS: ReadonlySet<string> = new Set([
  "authorization",
  "forwarded",
  "true-client-ip",
  "via",
  "expect",
]);
const CLAIM_PREFIXES = ["fly-", "x-kiloclaw-", "x-openclaw-", "x-forwarded-", "cf-"];
const CLAIM_PATTERN =
  /^x-(?:real|client|cluster-client|original-forwarded)-|^(?:x-)?remote-|^x-auth-|^x-internal-/;

/** What a machine would say for the host that all tenants share. */
const OF_THE_WHOLE_HOST = ["clear-site-data", "strict-transport-security", "public-key-pins"];

export type UpstreamIdentity = { machineId: string; proxyToken: string; publicOrigin: string };

/**
 * The headers that reach the machine: the browser's, without our credentials, without anything that could steer Fly or
 * pass for a proxy's word, and with ours set last. An upgrade stays one.
 */
export function upstreamHeaders(request: Request, identity: UpstreamIdentity): Headers {
  const headers = new Headers(request.headers);
  for (const name of request.headers.keys()) {
    if (isClaim(name)) headers.delete(name);
  }
  for (const name of HOP_BY_HOP) headers.delete(name);
  const cookies = withoutSessionCookies(request.headers.get("cookie"));
  if (cookies === null) headers.delete("cookie");
  else headers.set("cookie", cookies);
  headers.set("fly-force-instance-id", identity.machineId);
  headers.set("x-kiloclaw-proxy-token", identity.proxyToken);
  headers.set("x-kiloclaw-public-origin", identity.publicOrigin);
  const clientIp = request.headers.get("cf-connecting-ip");
  if (clientIp !== null) headers.set("x-kiloclaw-client-ip", clientIp);
  return headers;
}

/** The machine's headers without those that would speak for us or to Fly. */
export function downstreamHeaders(response: Response): Headers {
  const headers = new Headers(response.headers);
  for (const name of response.headers.keys()) {
    if (name.startsWith("fly-") || name.startsWith("x-kiloclaw-")) headers.delete(name);
  }
  for (const name of OF_THE_WHOLE_HOST) headers.delete(name);
  headers.delete("set-cookie");
  for (const cookie of response.headers.getSetCookie()) {
    const kept = foreignSetCookie(cookie);
    if (kept !== null) headers.append("set-cookie", kept);
  }
  return headers;
}

function isClaim(name: string): boolean {
  return (
    CLAIMS.has(name) || CLAIM_PREFIXES.some((prefix) => name.startsWith(prefix)) || CLAIM_PATTERN.test(name)
  );
}
