/** Whether a person in a browser is to read the answer. */
export function wantsHtml(request: Request): boolean {
  if (request.method !== "GET" && request.method !== "HEAD") return false;
  if (isUpgrade(request)) return false;
  return (request.headers.get("accept") ?? "").includes("text/html");
}

/** Whether the request asks for another protocol. */
export function isUpgrade(request: Request): boolean {
  return request.headers.has("upgrade");
}

/**
 * Whether the request comes from a page of ours, as far as the browser tells. Browsers name the origin on every POST (Fetch
 * standard, "append a request Origin header"), though only as `null` from a page with `Referrer-Policy: no-referrer`, as
 * ours are: then `Sec-Fetch-Site` decides, which no page can set. A request with neither is none of a foreign page.
 */
export function isSameOrigin(request: Request, allowedOrigins: readonly string[]): boolean {
  const origin = request.headers.get("origin");
  if (origin !== null && origin !== "null") return hasOurOrigin(request, allowedOrigins);
  const site = request.headers.get("sec-fetch-site");
  return site === "same-origin" || (origin === null && (site === null || site === "none"));
}

/** Whether the request names an origin, and it is exactly one of ours. */
export function hasOurOrigin(request: Request, allowedOrigins: readonly string[]): boolean {
  const origin = request.headers.get("origin");
  return origin !== null && (origin === new URL(request.url).origin || allowedOrigins.includes(origin));
}
