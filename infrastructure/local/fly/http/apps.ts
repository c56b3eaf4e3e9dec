import { Hono } from "hono";
import { z } from "zod";
import { assignIp, countsOf, createApp, deleteApp, ipTypes, listApps, releaseIp } from "../cloud/apps.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { findApp } from "../cloud/find.ts";
import { Refusal, refusals } from "../refusal.ts";
import type { ActionMiddleware } from "./actions.ts";
import { readBody } from "./body.ts";
import { refuse } from "./reply.ts";
import { appView, ipView } from "./views.ts";

const createSchema = z.object({
  // The docs say app_name, the spec and Fly's own client say name: both are taken.
  app_name: z.string().optional(),
  name: z.string().optional(),
  org_slug: z.string().default(""),
  network: z.string().optional(),
});

const ipSchema = z.object({
  type: z.enum(ipTypes).default("v6"),
  region: z.string().optional(),
  service_name: z.string().optional(),
});

/** Apps and their addresses (fly-machines-api.md §2). */
export function appRoutes(cloud: Cloud, action: ActionMiddleware): Hono {
  const routes = new Hono();

  routes.get("/apps", action("app_list", "app"), (context) => {
    const orgSlug = context.req.query("org_slug") ?? "";
    if (orgSlug === "") return refuse(context, refusals.noOrg());
    const apps = listApps(cloud, orgSlug);
    return context.json({
      total_apps: apps.length,
      apps: apps.map((app) => appView(app, countsOf(cloud, app))),
    });
  });

  routes.post("/apps", action("app_create", "app"), async (context) => {
    const body = await readBody(context, createSchema);
    if (body instanceof Refusal) return refuse(context, body);
    const app = createApp(cloud, {
      name: body.app_name ?? body.name ?? "",
      orgSlug: body.org_slug,
      network: body.network,
    });
    if (app instanceof Refusal) return refuse(context, app);
    context.header("set-cookie", `fly_flaps_affinity=local; Path=/v1/apps/${app.name}`);
    return context.json({ ...appView(app, countsOf(cloud, app)), created_at: app.createdAt }, 201);
  });

  routes.get("/apps/:app", action("app_get", "app"), (context) => {
    const app = findApp(cloud, context.req.param("app"));
    return app instanceof Refusal ? refuse(context, app) : context.json(appView(app, countsOf(cloud, app)));
  });

  routes.delete("/apps/:app", action("app_delete", "app"), (context) => {
    const app = findApp(cloud, context.req.param("app"));
    if (app instanceof Refusal) return refuse(context, app);
    deleteApp(cloud, app);
    return context.body(null, 202);
  });

  routes.get("/apps/:app/ip_assignments", action("ip_list", "app"), (context) => {
    const app = findApp(cloud, context.req.param("app"));
    return app instanceof Refusal ? refuse(context, app) : context.json({ ips: app.ips.map(ipView) });
  });

  routes.post("/apps/:app/ip_assignments", action("ip_create", "app"), async (context) => {
    const body = await readBody(context, ipSchema);
    if (body instanceof Refusal) return refuse(context, body);
    const app = findApp(cloud, context.req.param("app"));
    if (app instanceof Refusal) return refuse(context, app);
    const ip = assignIp(cloud, app, {
      type: body.type,
      region: body.region,
      serviceName: body.service_name,
    });
    return ip instanceof Refusal ? refuse(context, ip) : context.json(ipView(ip));
  });

  routes.delete("/apps/:app/ip_assignments/:ip", action("ip_delete", "app"), (context) => {
    const app = findApp(cloud, context.req.param("app"));
    const refused = app instanceof Refusal ? app : releaseIp(cloud, app, context.req.param("ip"));
    return refused === undefined ? context.body(null, 204) : refuse(context, refused);
  });

  return routes;
}
