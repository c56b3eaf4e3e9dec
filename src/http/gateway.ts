import type { Context } from "hono";
import type { RouteResult } from "../instance/operations.ts";
import { isControllerPath } from "../proxy/paths.ts";
import { proxyRequest } from "../proxy/proxy.ts";
import { refusalAnswer } from "./answers.ts";
import { type AppEnv, instanceOf } from "./context.ts";
import { hasOurOrigin, isUpgrade, wantsHtml } from "./negotiation.ts";
import { notProvisionedPage, statusPage, unreachablePage } from "./pages.ts";
import { problem } from "./problem.ts";

/** Everything that is not ours goes to the signed-in user's gateway. */
export async function gatewayRoute(c: Context<AppEnv>): Promise<Response> {
  const request = c.req.raw;
  if (isControllerPath(new URL(request.url).pathname)) {
    return problem("not_found", { detail: "There is no such page." });
  }
  if (isUpgrade(request)) {
    const refused = refuseUpgrade(c);
    if (refused !== null) return refused;
  }
  const proxied = await proxyRequest(request, instanceOf(c.env, c.get("userId")), c.get("config"));
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
  const isRising = route.status === "starting" || route.status === "recovering" || route.status === "running";
  return problem(isRising ? "starting" : "not_running", {
    detail: isRising ? "The assistant is starting. Try again shortly." : `The assistant is ${route.status}.`,
    extra: { instanceStatus: route.status, lastError: route.lastError },
    retryAfterS: isRising ? 3 : 60,
  });
}
