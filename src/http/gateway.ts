import type { Context } from "hono";
import type { RouteResult } from "../instance/operations.ts";
import { isControllerPath } from "../proxy/paths.ts";
import { proxyRequest } from "../proxy/proxy.ts";
import { notRunningAnswer, refusalAnswer } from "./answers.ts";
import { type AppEnv, instanceOf } from "./context.ts";
import { hasOurOrigin, isSameOrigin, isUpgrade, wantsHtml } from "./negotiation.ts";
import { notProvisionedPage, statusPage, unreachablePage } from "./pages.ts";
import { problem } from "./problem.ts";

/** Everything that is not ours goes to the signed-in user's gateway. */
export async function gatewayRoute(c: Context<AppEnv>): Promise<Response> {
  const request = c.req.raw;
  if (isControllerPath(new URL(request.url).pathname)) {
    return problem("not_found", { detail: "There is no such page." });
  }
  const refused = isUpgrade(request) ? refuseUpgrade(c) : refuseForeignPage(c);
  if (refused !== null) return refused;
  const clean = wantsHtml(request) ? withoutSteering(new URL(request.url)) : null;
  if (clean !== null) return new Response(null, { status: 303, headers: { location: clean } });
  const userId = c.get("userId");
  const proxied = await proxyRequest(request, userId, instanceOf(c.env, userId), c.get("config"));
  switch (proxied.kind) {
    case "answered":
      return proxied.response;
    case "unreachable":
      return wantsHtml(request)
        ? unreachablePage()
        : problem("upstream_failed", { detail: "The assistant's machine did not answer.", retryAfterS: 5 });
    case "no_route":
      return noRoute(request, proxied.route);
    default:
      return proxied satisfies never;
  }
}

/** Browsers send cookies with WebSockets from any page, so the page's origin decides. */
function refuseUpgrade(c: Context<AppEnv>): Response | null {
  const request = c.req.raw;
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return problem("invalid_request", { detail: "Only upgrades to WebSocket are passed on." });
  }
  if (c.get("authenticatedBy") === "bearer") return null;
  if (hasOurOrigin(request, c.get("config").machineDefaults.allowedOrigins)) return null;
  return problem("forbidden", { detail: "The socket was opened by a page of another origin." });
}

/** Behind the proxy are routes that act, and the machine takes every request of ours for the owner's. */
function refuseForeignPage(c: Context<AppEnv>): Response | null {
  const request = c.req.raw;
  const acts = request.method !== "GET" && request.method !== "HEAD" && request.method !== "OPTIONS";
  if (!acts || c.get("authenticatedBy") === "bearer") return null;
  if (isSameOrigin(request, c.get("config").machineDefaults.allowedOrigins)) return null;
  return problem("forbidden", { detail: "The request comes from a page of another origin." });
}

/**
 * Path and query without what would tell the Control UI where to connect or as whom (CVE-2026-25253); null where there is
 * nothing of the kind. The browser is sent there, so that the page that loads never sees it.
 */
function withoutSteering(url: URL): string | null {
  const names = STEERING.filter((name) => url.searchParams.has(name));
  if (names.length === 0) return null;
  for (const name of names) url.searchParams.delete(name);
  // A path that begins with two slashes would send the browser to another host.
  return url.pathname.replace(/^[/\\]+/, "/") + url.search;
}

const STEERING = ["gatewayUrl", "token", "password"];

function noRoute(
  request: Request,
  route: Exclude<RouteResult, { kind: "route" }>,
): Response | Promise<Response> {
  if (route.kind !== "not_running") {
    return route.kind === "not_provisioned" && wantsHtml(request)
      ? notProvisionedPage()
      : refusalAnswer(route);
  }
  if (wantsHtml(request)) return statusPage(route);
  return notRunningAnswer(route);
}
