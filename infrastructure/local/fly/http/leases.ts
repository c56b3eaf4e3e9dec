import { Hono } from "hono";
import { z } from "zod";
import type { Cloud } from "../cloud/cloud.ts";
import { findMachine } from "../cloud/find.ts";
import { releaseLease, showLease, takeLease } from "../cloud/leases.ts";
import { Refusal } from "../refusal.ts";
import type { ActionMiddleware } from "./actions.ts";
import { readBody } from "./body.ts";
import { nonceOf, refuse } from "./reply.ts";
import { leaseView } from "./views.ts";

const takeSchema = z.object({
  ttl: z.number().int().optional(),
  description: z.string().optional(),
});

/** Takes, shows, prolongs and releases the lease of a machine (fly-machines-api.md §4.12). */
export function leaseRoutes(cloud: Cloud, action: ActionMiddleware): Hono {
  const routes = new Hono();
  const path = "/apps/:app/machines/:machine/lease";

  routes.post(path, action("lease_create", "machine"), async (context) => {
    const body = await readBody(context, takeSchema, { isOptional: true });
    if (body instanceof Refusal) return refuse(context, body);
    const machine = findMachine(cloud, context.req.param("app"), context.req.param("machine"));
    if (machine instanceof Refusal) return refuse(context, machine);
    const ttl = context.req.query("ttl");
    const lease = takeLease(cloud, machine, nonceOf(context), {
      ttlSeconds: body.ttl ?? (ttl === undefined ? undefined : Number(ttl)),
      description: body.description,
    });
    return lease instanceof Refusal ? refuse(context, lease) : context.json(leaseView(lease), 201);
  });

  routes.get(path, action("lease_get", "machine"), (context) => {
    const machine = findMachine(cloud, context.req.param("app"), context.req.param("machine"));
    const lease = machine instanceof Refusal ? machine : showLease(cloud, machine);
    return lease instanceof Refusal ? refuse(context, lease) : context.json(leaseView(lease));
  });

  routes.delete(path, action("lease_delete", "machine"), (context) => {
    const machine = findMachine(cloud, context.req.param("app"), context.req.param("machine"));
    const refused = machine instanceof Refusal ? machine : releaseLease(cloud, machine, nonceOf(context));
    return refused === undefined
      ? context.json({ status: "success", data: { ok: true } })
      : refuse(context, refused);
  });

  return routes;
}
