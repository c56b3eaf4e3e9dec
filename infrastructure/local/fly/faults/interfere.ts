import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context, MiddlewareHandler } from "hono";
import { IncomingMessage } from "node:http";
import { z } from "zod";
import { pause } from "../clock.ts";
import type { Cloud } from "../cloud/cloud.ts";
import type { ActionName } from "../http/actions.ts";
import { refuse } from "../http/reply.ts";
import { messageOf } from "../log.ts";
import { Refusal, refusals } from "../refusal.ts";
import { takeLease } from "./blows.ts";
import type { Circumstances } from "./circumstances.ts";
import type { AfterEffect, Effect } from "./effects.ts";
import { faultRefusals } from "./refusals.ts";
import type { Call, Plan } from "./rules.ts";
import { asSeen } from "./seen.ts";
import { factsSchema, standing, type Facts } from "./standing.ts";

export interface Interference {
  cloud: Cloud;
  circumstances: Circumstances;
  /** Takes the faults of a call; each call asks once. */
  planFor(call: Call): Plan;
  /** The API without faults of single calls. */
  plainly(request: Request): Promise<Response>;
  /** The API without faults at all, as it would have answered so long ago. */
  asOf(agoMs: number, request: Request): Promise<Response>;
}

/** Comes between the requests for an action and its route: first the call's own faults, then what is wrong anyway. */
export function interfere(parts: Interference, action: ActionName): MiddlewareHandler {
  return async (context, next) => {
    const call: Call = {
      action,
      app: context.req.param("app"),
      machine: context.req.param("machine"),
      volume: context.req.param("volume"),
      text: `${context.req.url} ${await context.req.text()}`,
    };
    const plan = parts.planFor(call);
    const undo: (() => void)[] = [];
    if (plan.before !== undefined) {
      const answer = await before(parts, call, context, plan.before, undo);
      if (answer !== undefined) return answer;
    }
    const answer = await stand(parts, call, context);
    if (answer === undefined) await next();
    else replace(context, answer);
    for (const step of undo) step();
    replace(context, await asSeen(context.res, parts.circumstances));
    if (plan.after !== undefined) {
      const instead = await after(parts, context, plan.after);
      if (instead !== undefined) replace(context, instead);
    }
    return undefined;
  };
}

/** What is answered in the route's place; undefined if the call goes on. `undo` is called after the route. */
async function before(
  parts: Interference,
  call: Call,
  context: Context,
  effect: Effect,
  undo: (() => void)[],
): Promise<Response | undefined> {
  const { cloud, circumstances } = parts;
  const { app = "", machine = "" } = call;
  switch (effect.kind) {
    case "error":
      return errorAnswer(effect);
    case "lost":
      if (effect.lateMs !== undefined) await happenLate(parts, context, effect.lateMs);
      return drop(context);
    case "delay":
      await pause(cloud.clock, effect.forMs, cloud.closing);
      return undefined;
    case "rate_limited":
      if (effect.retryAfterSeconds !== undefined) {
        context.header("retry-after", String(effect.retryAfterSeconds));
      }
      return refuse(context, refusals.rateLimited());
    case "stale":
      return parts.asOf(effect.agoMs, await copyOf(context));
    case "empty":
      return context.json(emptyList(call));
    case "hidden":
      undo.push(
        circumstances.newcomers.hideNext(
          call.action === "volume_create" ? "volume" : "machine",
          app,
          effect.forMs,
        ),
      );
      return undefined;
    case "wedge":
      if (call.machine === undefined) undo.push(circumstances.wedges.wedgeNext(app, effect));
      else circumstances.wedges.wedge(machine, effect);
      return undefined;
    case "lease": {
      const row = cloud.store.machines.get(machine);
      if (row !== undefined) takeLease(cloud, row, effect.forMs);
      return undefined;
    }
    case "claimed":
      circumstances.claims.outlast(machine, effect.forMs, effect.holder);
      return undefined;
    case "no_capacity":
    case "quota":
      return refuse(context, await noRoom(cloud, call, context, effect.kind));
    default:
      return effect satisfies never;
  }
}

async function after(
  { cloud }: Interference,
  context: Context,
  effect: AfterEffect,
): Promise<Response | undefined> {
  switch (effect.kind) {
    case "error":
      return errorAnswer(effect);
    case "lost":
      return drop(context);
    case "delay":
      await pause(cloud.clock, effect.forMs, cloud.closing);
      return undefined;
    default:
      return effect satisfies never;
  }
}

async function stand(parts: Interference, call: Call, context: Context): Promise<Response | undefined> {
  const facts = await factsOf(context);
  const answer = standing(parts.cloud, parts.circumstances, call, facts);
  if (answer === undefined) return undefined;
  if (answer instanceof Refusal) return refuse(context, answer);
  switch (answer.kind) {
    case "ignored":
      return context.json({ ok: true });
    case "elsewhere":
      return parts.plainly(await copyOf(context, { ...facts, region: answer.region }));
    default:
      return answer satisfies never;
  }
}

async function noRoom(
  cloud: Cloud,
  call: Call,
  context: Context,
  why: "no_capacity" | "quota",
): Promise<Refusal> {
  const facts = await factsOf(context);
  const volume = facts.config?.mounts?.[0]?.volume;
  if (why === "quota") {
    const region = facts.region ?? cloud.rules.nearestRegion;
    return faultRefusals.overQuota(cloud.store.apps.get(call.app ?? "")?.orgSlug ?? "", region);
  }
  if (call.machine !== undefined) return faultRefusals.noRoomOnHost();
  return volume === undefined ? faultRefusals.noHostInRegion() : faultRefusals.noRoomBesideVolume(volume);
}

function errorAnswer(effect: { status: number; body: string | Record<string, unknown> }): Response {
  const { status, body } = effect;
  return typeof body === "string"
    ? new Response(body, { status, headers: { "content-type": "text/html; charset=utf-8" } })
    : Response.json(body, { status });
}

/** Ends the connection without an answer. */
function drop(context: Context): Response {
  const { incoming } = nodeSchema.parse(context.env);
  incoming.socket.destroy();
  // The status is for the log alone.
  return new Response(null, { status: 499, headers: RESPONSE_ALREADY_SENT.headers });
}

const nodeSchema = z.object({ incoming: z.instanceof(IncomingMessage) });

/** The call takes effect when its caller has long given up. */
async function happenLate(parts: Interference, context: Context, lateMs: number): Promise<void> {
  const request = await copyOf(context);
  void pause(parts.cloud.clock, lateMs, parts.cloud.closing)
    .then((isDue) => (isDue ? parts.plainly(request) : undefined))
    .catch((error: unknown) => {
      parts.cloud.log({ kind: "problem", message: `A late call failed: ${messageOf(error)}` });
    });
}

async function copyOf(context: Context, facts?: Facts): Promise<Request> {
  const { url, method } = context.req;
  const body = facts === undefined ? await context.req.text() : JSON.stringify(facts);
  const headers = new Headers(context.req.header());
  headers.delete("content-length");
  return new Request(url, { method, headers, ...(body === "" ? {} : { body }) });
}

async function factsOf(context: Context): Promise<Facts> {
  const text = await context.req.text();
  if (text === "") return {};
  try {
    return factsSchema.parse(JSON.parse(text));
  } catch {
    // Not JSON: the route says so.
    return {};
  }
}

/** Puts an answer in the place of the route's, with none of its headers. */
function replace(context: Context, response: Response): void {
  if (context.res === response) return;
  context.res = undefined;
  context.res = response;
}

function emptyList({ action }: Call): object {
  if (action === "app_list") return { total_apps: 0, apps: [] };
  if (action === "org_machine_list") return { machines: [], error_regions: [] };
  if (action === "ip_list") return { ips: [] };
  return action === "secret_list" ? { secrets: [] } : [];
}
