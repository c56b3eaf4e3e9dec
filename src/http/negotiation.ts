/** Whether a person in a browser is to read the answer. */
export function wantsHtml(request: Request): boolean {
  if (request.method !== "GET" && request.method !== "HEAD") return false;
  if (isUpgrade(request)) return false;
  return (request.headers.get("accept") ?? "").includes("text/html");
}

export function isUpgrade(request: Request): boolean {
  return request.headers.has("upgrade");
}

/**
 * Whether the request comes from a page of ours, as far as the browser tells. Browsers name the origin on every POST and
 * every WebSocket upgrade (Fetch standard, "append a request Origin header"), so a request with neither header is none of
 * a foreign page.
 */
export function isSameOrigin(request: Request, allowedOrigins: readonly string[]): boolean {
  const origin = request.headers.get("origin");
  if (origin !== null) return origin === new URL(request.url).origin || allowedOrigins.includes(origin);
  const site = request.headers.get("sec-fetch-site");
  return site === null || site === "same-origin" || site === "none";
}
