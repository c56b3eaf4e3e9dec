import { Hono } from "hono";
import { listApps } from "../cloud/apps.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { listMachines } from "../cloud/machines.ts";
import { regions } from "../cloud/regions.ts";
import { refusals } from "../refusal.ts";
import type { ActionMiddleware } from "./actions.ts";
import { isSet, listOf, refuse } from "./reply.ts";
import { orgMachineView } from "./views.ts";

const pageMax = 1000;

/** What Fly tells of regions, and of the machines of an organization (fly-machines-api.md §2.8). */
export function platformRoutes(cloud: Cloud, action: ActionMiddleware): Hono {
  const routes = new Hono();

  // Live Fly's keys are in PascalCase, whatever the spec says.
  routes.get("/platform/regions", (context) =>
    context.json({
      Regions: regions.map((region) => ({
        code: region.code,
        name: region.name,
        latitude: region.latitude,
        longitude: region.longitude,
        gateway_available: true,
        requires_paid_plan: false,
        deprecated: false,
        geo_region: region.continent,
      })),
      Nearest: cloud.rules.nearestRegion,
    }),
  );

  // The cursor is the id of the last machine of the page before.
  routes.get("/orgs/:org/machines", action("org_machine_list", "app"), (context) => {
    const limit = Number(context.req.query("limit") ?? String(pageMax));
    if (!Number.isInteger(limit) || limit < 1 || limit > pageMax) {
      return refuse(context, refusals.invalidArgument(`limit must be inside range [1, ${pageMax}]`));
    }
    const filter = {
      includeDeleted: isSet(context.req.query("include_deleted")),
      regions: listOf(context.req.queries("region")),
      states: listOf(context.req.queries("state")),
      metadata: new Map<string, string>(),
    };
    const machines = listApps(cloud, context.req.param("org"))
      .flatMap((app) => listMachines(cloud, app, filter))
      .toSorted((one, other) => one.id.localeCompare(other.id));
    const cursor = context.req.query("cursor") ?? "";
    const rest = machines.filter(({ id }) => id > cursor);
    const page = rest.slice(0, limit);
    const last = page.at(-1);
    const summary = isSet(context.req.query("summary"));
    return context.json({
      machines: page.map((machine) => orgMachineView(machine, summary)),
      ...(rest.length > page.length && last !== undefined ? { next_cursor: last.id } : {}),
      ...(last === undefined
        ? {}
        : { last_machine_id: last.id, last_updated_at: new Date(last.updatedAt).toISOString() }),
      error_regions: [],
    });
  });

  return routes;
}
