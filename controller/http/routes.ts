import { Hono } from "hono";
import type { z } from "zod";
import {
  approveChannelSchema,
  approveDeviceSchema,
  doctorRequestSchema,
  envUpdateSchema,
  logQuerySchema,
  type ConfigReport,
  type ControllerHealth,
  type ControllerProblemCode,
  type ControllerVersion,
  type Doctor,
  type EnvUpdate,
  type GatewayLog,
  type GatewayStatus,
} from "../../src/gateway/wire.ts";
import type { UpdateResult } from "../live-settings.ts";
import { errorText, type Log } from "../log.ts";
import type { ApprovalResult, Pairing } from "../pairing/pairing.ts";
import { isSameSecret } from "../secrets.ts";
import { readJsonBody } from "./body.ts";
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
    logs(query: { readonly after: number; readonly limit: number }): GatewayLog;
  };
  readonly pairing: Pick<Pairing, "channels" | "devices" | "approveChannel" | "approveDevice">;
  readonly doctor: {
    run(options: { readonly fix: boolean }): Doctor;
    status(): Doctor;
    cancel(): Doctor;
  };
  config(): ConfigReport;
  updateSettings(update: EnvUpdate): Promise<UpdateResult>;
}

type RoutesEnv = { Variables: { backend: RoutesBackend } };

/** Approvals and the like are a few hundred bytes. */
const SMALL_BODY_BYTES_MAX = 4_096;
/** Two hundred settings of 16,384 characters, plain and sealed, escaped. */
const SETTINGS_BODY_BYTES_MAX = 16_000_000;

/**
 * The controller's own routes. Health is open to everybody and says nothing more than a state and a stage;
 * the rest needs the gateway token as bearer. `backend` is null while the environment is unusable.
 */
export function createRoutes(options: {
  readonly health: () => ControllerHealth;
  readonly backend: () => RoutesBackend | null;
  readonly log: Log;
}): Hono<RoutesEnv> {
  const app = new Hono<RoutesEnv>().basePath("/_kilo");

  app.get("/health", (c) => c.json(options.health(), 200, { "cache-control": "no-store" }));

  app.use(async (c, next) => {
    const backend = options.backend();
    if (backend === null) return problemResponse("misconfigured");
    const given = /^Bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    if (given === undefined || !isSameSecret(given, backend.gatewayToken))
      return problemResponse("unauthenticated");
    c.set("backend", backend);
    c.header("cache-control", "no-store");
    return next();
  });

  app.get("/version", async (c) => c.json(await c.var.backend.version()));
  app.get("/config", (c) => c.json(c.var.backend.config()));
  app.put("/env", async (c) =>
    withBody(
      c.req.raw,
      envUpdateSchema,
      async (update) => updateAnswer(await c.var.backend.updateSettings(update)),
      SETTINGS_BODY_BYTES_MAX,
    ),
  );
  addGatewayRoutes(app);
  addPairingRoutes(app);
  addDoctorRoutes(app);

  app.notFound(() => problemResponse("unknown_route"));
  app.onError((error, c) => {
    options.log("error", "a controller route failed", { path: c.req.path, error: errorText(error) });
    return problemResponse("upstream_failed");
  });
  return app;
}

function addGatewayRoutes(app: Hono<RoutesEnv>): void {
  app.get("/gateway/status", (c) => c.json(c.var.backend.gateway.status()));
  app.get("/gateway/logs", (c) => {
    const query = logQuerySchema.safeParse(c.req.query());
    if (!query.success) return problemResponse("invalid_request");
    return c.json(c.var.backend.gateway.logs(query.data));
  });
  for (const operation of ["start", "stop", "restart"] as const) {
    app.post(`/gateway/${operation}`, (c) => {
      const { gateway } = c.var.backend;
      gateway[operation]();
      return c.json(gateway.status(), 202);
    });
  }
}

function addPairingRoutes(app: Hono<RoutesEnv>): void {
  for (const kind of ["channels", "devices"] as const) {
    app.get(`/pairing/${kind}`, async (c) =>
      c.json(await c.var.backend.pairing[kind]({ refresh: c.req.query("refresh") === "true" })),
    );
  }
  app.post("/pairing/channels/approve", async (c) =>
    withBody(c.req.raw, approveChannelSchema, async (request) =>
      approvalAnswer(await c.var.backend.pairing.approveChannel(request)),
    ),
  );
  app.post("/pairing/devices/approve", async (c) =>
    withBody(c.req.raw, approveDeviceSchema, async (request) =>
      approvalAnswer(await c.var.backend.pairing.approveDevice(request)),
    ),
  );
}

function addDoctorRoutes(app: Hono<RoutesEnv>): void {
  app.get("/doctor", (c) => c.json(c.var.backend.doctor.status()));
  app.delete("/doctor", (c) => c.json(c.var.backend.doctor.cancel(), 202));
  app.post("/doctor", async (c) =>
    withBody(c.req.raw, doctorRequestSchema, async (request) =>
      Response.json(c.var.backend.doctor.run(request), { status: 202 }),
    ),
  );
}

async function withBody<T>(
  request: Request,
  schema: z.ZodType<T>,
  answer: (value: T) => Promise<Response>,
  bytesMax = SMALL_BODY_BYTES_MAX,
): Promise<Response> {
  const body = await readJsonBody(request, schema, bytesMax);
  return body.kind === "read" ? answer(body.value) : problemResponse(body.code);
}

function updateAnswer(result: UpdateResult): Response {
  switch (result.kind) {
    case "applied":
      return Response.json(result.applied);
    case "stale":
      return problemResponse("stale_generation");
    case "unusable":
      return problemResponse("invalid_request");
    case "not_stored":
      return problemResponse("upstream_failed");
    case "busy":
      return problemResponse("starting");
    default:
      return result satisfies never;
  }
}

function approvalAnswer(result: ApprovalResult): Response {
  return result.kind === "answered" ? Response.json(result.approval) : problemResponse(result.code);
}

function problemResponse(code: ControllerProblemCode): Response {
  const { status, headers, body } = problemAnswer(code);
  return new Response(body, { status, headers });
}
