import { machineTokensOf } from "../auth/machine-tokens.ts";
import { type Config, flyProxyUrl } from "../config.ts";
import type { KiloClawInstance } from "../instance/object.ts";
import type { RouteResult } from "../instance/operations.ts";
import { createLogger } from "../log.ts";
import { downstreamHeaders, upstreamHeaders } from "./headers.ts";

const log = createLogger("proxy");

export type Proxied =
  | { kind: "answered"; response: Response }
  /** The machine did not answer although it is up by our knowledge. */
  | { kind: "unreachable" }
  | { kind: "no_route"; route: Exclude<RouteResult, { kind: "route" }> };

type Route = Extract<RouteResult, { kind: "route" }>;
type Instance = Pick<DurableObjectStub<KiloClawInstance>, "resolveRoute" | "doubt">;

/**
 * Passes a signed-in user's request on to the user's own machine, streamed both ways, upgrades included. A machine that is
 * silent is doubted: the instance looks at once, and a request that changed nothing and has no body is sent once more.
 */
export async function proxyRequest(
  request: Request,
  userId: string,
  instance: Instance,
  config: Config,
): Promise<Proxied> {
  const route = await instance.resolveRoute(userId);
  if (route.kind !== "route") return { kind: "no_route", route };
  const response = await send(request, route, config);
  if (response !== null) return { kind: "answered", response };
  await instance.doubt();
  const again = await instance.resolveRoute(userId);
  if (again.kind !== "route") return { kind: "no_route", route: again };
  if (request.body !== null || (request.method !== "GET" && request.method !== "HEAD"))
    return { kind: "unreachable" };
  const second = await send(request, again, config);
  return second === null ? { kind: "unreachable" } : { kind: "answered", response: second };
}

/** One request to the machine; null when nobody behind Fly's proxy answered it. */
async function send(request: Request, route: Route, config: Config): Promise<Response | null> {
  const url = new URL(request.url);
  const upstream = upstreamUrl(flyProxyUrl(config.fly.proxyUrlPattern, route.appName), url);
  const { proxyToken } = await machineTokensOf(config.gatewayTokenSecret, route.sandboxId);
  const headers = upstreamHeaders(request, {
    machineId: route.machineId,
    proxyToken,
    publicOrigin: url.origin,
  });
  try {
    const response = await fetch(upstream, {
      method: request.method,
      headers,
      body: request.body,
      redirect: "manual",
      // Tenants of one app share its host, and so would share what Cloudflare caches of it.
      cache: "no-store",
    });
    if (isProxyFailure(response)) {
      await response.body?.cancel();
      return null;
    }
    return answer(response);
  } catch (cause) {
    // Refused, reset or aborted: there is no answer to pass on.
    log.warn("machine_unreachable", { machineId: route.machineId, method: request.method, cause });
    return null;
  }
}

/**
 * The machine's URL for a request: path and query are set on Fly's address and never resolved against it, since a path that
 * begins with two slashes would resolve to another host, and carry the machine's token there.
 */
export function upstreamUrl(base: string, { pathname, search }: URL): URL {
  const upstream = new URL(base);
  upstream.pathname = pathname;
  upstream.search = search;
  return upstream;
}

/**
 * Whether Fly's proxy itself answered, for a machine that it could not reach: an empty 502 to 504 of Fly's server
 * (fly-machines-api.md §8.5). The controller's own answers have a body.
 */
function isProxyFailure(response: Response): boolean {
  return (
    response.status >= 502 &&
    response.status <= 504 &&
    /^fly\//i.test(response.headers.get("server") ?? "") &&
    response.headers.get("content-length") === "0"
  );
}

function answer(response: Response): Response {
  const headers = downstreamHeaders(response);
  const { status, statusText, webSocket } = response;
  if (webSocket !== null) return new Response(null, { status, headers, webSocket });
  return new Response(response.body, { status, statusText, headers });
}
