const PLAIN_NAME = "kiloclaw-auth";
/** Bound to the host and to HTTPS by the browser itself (RFC 6265bis §4.1.3.2). */
const HOST_NAME = `__Host-${PLAIN_NAME}`;

/** The session cookie's name; with the `__Host-` prefix (RFC 6265bis) wherever there is HTTPS. */
export function sessionCookieName(development: boolean): string {
  return development ? PLAIN_NAME : HOST_NAME;
}

/** `Set-Cookie` of a session. `Lax`, so that a link to the assistant from elsewhere still opens it. */
export function sessionCookie(token: string, maxAgeS: number, development: boolean): string {
  const secure = development ? "" : " Secure;";
  return `${sessionCookieName(development)}=${token}; Path=/; Max-Age=${maxAgeS}; HttpOnly;${secure} SameSite=Lax`;
}

/** The value of a cookie; of one that comes twice the first counts. */
export function readCookie(header: string | null, name: string): string | null {
  for (const pair of splitCookies(header)) {
    if (nameOf(pair) === name) return pair.slice(pair.indexOf("=") + 1).trim();
  }
  return null;
}

/** The `Cookie` header without our session, or null when nothing else is in it. */
export function withoutSessionCookies(header: string | null): string | null {
  const kept = splitCookies(header).filter((pair) => !isSessionCookieName(nameOf(pair)));
  return kept.length === 0 ? null : kept.join("; ");
}

/**
 * A machine's `Set-Cookie` as the browser may have it: for this host only; null where it would set a cookie of ours. One
 * without a name is dropped too: browsers send it as its bare value, and that may read `kiloclaw-auth=…`.
 */
export function foreignSetCookie(setCookie: string): string | null {
  const [pair = "", ...attributes] = setCookie.split(";");
  const name = pair.includes("=") ? nameOf(pair) : "";
  if (name === "" || isSessionCookieName(name)) return null;
  return [pair, ...attributes.filter((attribute) => !/^\s*domain\s*(?:=|$)/i.test(attribute))].join(";");
}

/** Browsers match the `__Host-` prefix in any case, so any case is ours. */
function isSessionCookieName(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === PLAIN_NAME || lower === HOST_NAME.toLowerCase();
}

function splitCookies(header: string | null): string[] {
  return (header ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "");
}

function nameOf(pair: string): string {
  return (pair.split("=", 1)[0] ?? "").trim();
}
