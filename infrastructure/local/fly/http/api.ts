import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Cloud } from "../cloud/cloud.ts";
import { ulid } from "../ids.ts";
import { messageOf } from "../log.ts";
import { Refusal, refusals } from "../refusal.ts";
import { serverHeader } from "../server-header.ts";
import type { ActionMiddleware, ActionName } from "./actions.ts";
import { appRoutes } from "./apps.ts";
import { bodyBytesMax } from "./body.ts";
import { leaseRoutes } from "./leases.ts";
import { machineActionRoutes } from "./machine-actions.ts";
import { machineRoutes } from "./machines.ts";
import { metadataRoutes } from "./metadata.ts";
import { platformRoutes } from "./platform.ts";
import { RateLimit } from "./rate-limit.ts";
import { refuse } from "./reply.ts";
import { secretRoutes } from "./secrets.ts";
import { volumeRoutes } from "./volumes.ts";

export interface ApiOptions {
  /** The one token that is let in; without it any token is. */
  token?: string | undefined;
  /** Fly's limits per action; off for tests and laptops. */
  limitsRates: boolean;
  /** Resolves when what the request has changed is on disk. */
  saved: () => Promise<void>;
  /** What comes between the requests for an action and its route, in test mode. */
  interfere?: ((action: ActionName) => MiddlewareHandler) | undefined;
  /** Routes under `/_test`, for whoever has the token, in test mode. */
  testRoutes?: Hono | undefined;
}

/** The Machines API over HTTP: every route parses, calls one operation, and renders what it says. */
export function machinesApi(cloud: Cloud, options: ApiOptions): Hono {
  const limit = options.limitsRates ? new RateLimit(cloud.clock) : undefined;
  const action: ActionMiddleware = (name, subject) => {
    const interfere = options.interfere?.(name);
    return async (context, next) => {
      if (limit?.allows(name, context.req.param(subject) ?? "") === false) {
        return refuse(context, refusals.rateLimited());
      }
      return interfere === undefined ? next() : interfere(context, next);
    };
  };

  const v1 = new Hono();
  v1.use(authenticate(options.token));
  v1.use(
    bodyLimit({
      maxSize: bodyBytesMax,
      onError: (context) => refuse(context, new Refusal(400, "http: request body too large")),
    }),
  );
  v1.use(durable(options.saved));
  v1.route("/", appRoutes(cloud, action));
  v1.route("/", secretRoutes(cloud, action));
  v1.route("/", machineRoutes(cloud, action));
  v1.route("/", machineActionRoutes(cloud, action));
  v1.route("/", leaseRoutes(cloud, action));
  v1.route("/", metadataRoutes(cloud, action));
  v1.route("/", volumeRoutes(cloud, action));
  v1.route("/", platformRoutes(cloud, action));

  const api = new Hono();
  api.use(identify(cloud));
  api.route("/v1", v1);
  if (options.testRoutes !== undefined) {
    api.use("/_test/*", authenticate(options.token));
    api.route("/_test", options.testRoutes);
  }
  // Go's own words: not JSON.
  api.notFound((context) => context.text("404 page not found\n", 404));
  api.onError((error, context) => {
    cloud.log({ kind: "problem", message: `${context.req.method} ${context.req.path}: ${messageOf(error)}` });
    return context.json({ error: "internal server error" }, 500);
  });
  return api;
}

function identify(cloud: Cloud): MiddlewareHandler {
  return async (context, next) => {
    const startedMs = cloud.clock.now();
    const requestId = `${ulid(startedMs)}-${cloud.rules.nearestRegion}`;
    await next();
    // Hono's own type lacks the charset that Fly's has.
    if (context.res.headers.get("content-type") === "application/json") {
      context.header("content-type", "application/json; charset=utf-8");
    }
    context.header("fly-request-id", requestId);
    context.header("server", serverHeader);
    context.header("via", "1.1 fly.io");
    cloud.log({
      kind: "request",
      method: context.req.method,
      path: context.req.path,
      status: context.res.status,
      durationMs: cloud.clock.now() - startedMs,
      requestId,
    });
  };
}

function authenticate(token: string | undefined): MiddlewareHandler {
  return async (context, next) => {
    const given = /^Bearer\s+(\S.*)$/i.exec(context.req.header("authorization") ?? "")?.[1]?.trim();
    const isKnown = given !== undefined && (token === undefined || given === token);
    return isKnown ? next() : refuse(context, refusals.unauthenticated());
  };
}

/** A change is answered only when it is on disk, so that a killed process has told nobody of what it forgets. */
function durable(saved: () => Promise<void>): MiddlewareHandler {
  return async (context, next) => {
    await next();
    if (context.req.method !== "GET") await saved();
  };
}
