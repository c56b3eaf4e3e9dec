import { Hono } from "hono";
import { z } from "zod";
import type { Cloud } from "../cloud/cloud.ts";
import { findApp } from "../cloud/find.ts";
import { changeSecrets } from "../cloud/secrets.ts";
import { Refusal } from "../refusal.ts";
import type { App } from "../state/model.ts";
import type { ActionMiddleware } from "./actions.ts";
import { readBody } from "./body.ts";
import { isSet, refuse } from "./reply.ts";
import { secretView } from "./views.ts";

const changesSchema = z.object({ values: z.record(z.string(), z.string().nullable()) });
const valueSchema = z.object({ value: z.string() });

/** An app's secrets (fly-machines-api.md §2.7). */
export function secretRoutes(cloud: Cloud, action: ActionMiddleware): Hono {
  const routes = new Hono();

  routes.get("/apps/:app/secrets", action("secret_list", "app"), (context) => {
    const app = findApp(cloud, context.req.param("app"));
    // Fly's own client says version where the spec says min_version.
    const wanted = Number(context.req.query("min_version") ?? context.req.query("version") ?? "0");
    if (app instanceof Refusal) return refuse(context, app);
    const refused = refuseVersion(app, wanted);
    if (refused !== undefined) return refuse(context, refused);
    const showValues = isSet(context.req.query("show_secrets"));
    return context.json({ secrets: views(app, showValues) });
  });

  routes.post("/apps/:app/secrets", action("secrets_update", "app"), async (context) => {
    const body = await readBody(context, changesSchema, { dropsNulls: false });
    if (body instanceof Refusal) return refuse(context, body);
    const app = findApp(cloud, context.req.param("app"));
    const changed = app instanceof Refusal ? app : changeSecrets(cloud, app, body.values);
    if (changed instanceof Refusal) return refuse(context, changed);
    const version = changed.secretsVersion;
    return context.json({ secrets: views(changed, false), version, Version: version });
  });

  routes.get("/apps/:app/secrets/:name", action("secret_get", "app"), (context) => {
    const app = findApp(cloud, context.req.param("app"));
    if (app instanceof Refusal) return refuse(context, app);
    const showValue = isSet(context.req.query("show_secrets"));
    const secret = secretView(app, context.req.param("name"), showValue);
    return secret === undefined
      ? refuse(context, new Refusal(404, "secret not found"))
      : context.json(secret);
  });

  routes.post("/apps/:app/secrets/:name", action("secret_set", "app"), async (context) => {
    const body = await readBody(context, valueSchema);
    if (body instanceof Refusal) return refuse(context, body);
    const app = findApp(cloud, context.req.param("app"));
    const name = context.req.param("name");
    const changed = app instanceof Refusal ? app : changeSecrets(cloud, app, { [name]: body.value });
    if (changed instanceof Refusal) return refuse(context, changed);
    const version = changed.secretsVersion;
    return context.json({ ...secretView(changed, name, false), version, Version: version }, 201);
  });

  routes.delete("/apps/:app/secrets/:name", action("secret_delete", "app"), (context) => {
    const app = findApp(cloud, context.req.param("app"));
    const name = context.req.param("name");
    const changed = app instanceof Refusal ? app : changeSecrets(cloud, app, { [name]: null });
    if (changed instanceof Refusal) return refuse(context, changed);
    return context.json({ version: changed.secretsVersion, Version: changed.secretsVersion });
  });

  return routes;
}

function views(app: App, showValues: boolean): unknown[] {
  return Object.keys(app.secrets).map((name) => secretView(app, name, showValues));
}

function refuseVersion(app: App, wanted: number): Refusal | undefined {
  if (!(wanted > app.secretsVersion)) return undefined;
  return new Refusal(412, `failed_precondition: version ${wanted} is not yet available on this app`);
}
