import { Hono } from "hono";
import { z } from "zod";
import type { Cloud } from "../cloud/cloud.ts";
import { findMachine } from "../cloud/find.ts";
import { changeMetadata } from "../cloud/metadata.ts";
import { Refusal } from "../refusal.ts";
import type { ActionMiddleware } from "./actions.ts";
import { readBody } from "./body.ts";
import { refuse } from "./reply.ts";

const valueSchema = z.object({ value: z.string() });
const changesSchema = z.object({
  metadata: z.record(z.string(), z.string().nullable()),
  machine_version: z.string().optional(),
});

/** A machine's metadata, as a whole and key by key (fly-machines-api.md §4.16). */
export function metadataRoutes(cloud: Cloud, action: ActionMiddleware): Hono {
  const routes = new Hono();
  const path = "/apps/:app/machines/:machine/metadata";

  routes.get(path, action("metadata_list", "machine"), (context) => {
    const machine = findMachine(cloud, context.req.param("app"), context.req.param("machine"));
    return machine instanceof Refusal
      ? refuse(context, machine)
      : context.json(machine.config.metadata ?? {});
  });

  routes.on(["PUT", "PATCH"], path, action("metadata_update", "machine"), async (context) => {
    const body = await readBody(context, changesSchema, { dropsNulls: false });
    if (body instanceof Refusal) return refuse(context, body);
    const machine = findMachine(cloud, context.req.param("app"), context.req.param("machine"));
    const refused =
      machine instanceof Refusal
        ? machine
        : changeMetadata(cloud, machine, body.metadata, body.machine_version);
    return refused === undefined ? context.body(null, 204) : refuse(context, refused);
  });

  routes.get("/apps/:app/machines/:machine/metadata/:key", action("metadata_get", "machine"), (context) => {
    const machine = findMachine(cloud, context.req.param("app"), context.req.param("machine"));
    if (machine instanceof Refusal) return refuse(context, machine);
    const value = machine.config.metadata?.[context.req.param("key")];
    return value === undefined
      ? refuse(context, new Refusal(404, "metadata key not found"))
      : context.json({ value });
  });

  routes.post(
    "/apps/:app/machines/:machine/metadata/:key",
    action("metadata_set", "machine"),
    async (context) => {
      const body = await readBody(context, valueSchema);
      if (body instanceof Refusal) return refuse(context, body);
      const machine = findMachine(cloud, context.req.param("app"), context.req.param("machine"));
      const key = context.req.param("key");
      const refused =
        machine instanceof Refusal ? machine : changeMetadata(cloud, machine, { [key]: body.value });
      return refused === undefined ? context.body(null, 204) : refuse(context, refused);
    },
  );

  routes.delete(
    "/apps/:app/machines/:machine/metadata/:key",
    action("metadata_delete", "machine"),
    (context) => {
      const machine = findMachine(cloud, context.req.param("app"), context.req.param("machine"));
      const key = context.req.param("key");
      const refused = machine instanceof Refusal ? machine : changeMetadata(cloud, machine, { [key]: null });
      return refused === undefined ? context.body(null, 204) : refuse(context, refused);
    },
  );

  return routes;
}
