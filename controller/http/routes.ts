import { Hono } from "hono";
import type { ControllerHealth, ControllerVersion, GatewayStatus } from "../../src/gateway/wire.ts";
import { isSameSecret } from "../secrets.ts";
import { problemAnswer } from "./problem.ts";

/** What the routes of a machine with a valid environment can reach. */
export interface RoutesBackend {
  readonly gatewayToken: string;
  version(): Promise<ControllerVersion>;
  readonly gateway: {
    status(): GatewayStatus;
    start(): void;
    stop(): void;
    restart(): void;
  };
}

/**
 * The controller's own routes. Health is open to everybody and says nothing more than a state and a stage;
 * the rest needs the gateway token as bearer. `backend` is null while the environment is unusable.
 */
export function createRoutes(options: {
  readonly health: () => ControllerHealth;
  readonly backend: () => RoutesBackend | null;
}): Hono<{ Variables: { backend: RoutesBackend } }> {
  const app = new Hono<{ Variables: { backend: RoutesBackend } }>();

  app.get("/_kilo/health", (c) => c.json(options.health(), 200, { "cache-control": "no-store" }));

  app.use(async (c, next) => {
    const backend = options.backend();
    if (backend === null) return problemResponse("misconfigured");
    const given = /^Bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    if (given === undefined || !isSameSecret(given, backend.gatewayToken))
      return problemResponse("unauthenticated");
    c.set("backend", backend);
    return next();
  });

  app.get("/_kilo/version", async (c) => c.json(await c.var.backend.version()));
  app.get("/_kilo/gateway/status", (c) => c.json(c.var.backend.gateway.status()));
  for (const operation of ["start", "stop", "restart"] as const) {
    app.post(`/_kilo/gateway/${operation}`, (c) => {
      const { gateway } = c.var.backend;
      gateway[operation]();
      return c.json(gateway.status(), 202);
    });
  }

  app.notFound(() => problemResponse("unknown_route"));
  return app;
}

function problemResponse(code: Parameters<typeof problemAnswer>[0]): Response {
  const { status, headers, body } = problemAnswer(code);
  return new Response(body, { status, headers });
}
