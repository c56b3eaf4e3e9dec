import { z } from "zod";
import { type Handled, refuse } from "./answers.ts";
import * as apps from "./apps.ts";
import type { Cloud } from "./cloud.ts";
import * as machines from "./machines.ts";
import * as volumes from "./volumes.ts";
import { waitForMachine } from "./waiting.ts";

type Request = { app: string; id: string; query: URLSearchParams; body: unknown };
type Handle = (cloud: Cloud, request: Request) => Handled<unknown>;
export type Found = { handle: Handle; app: string; id: string };

const WAIT_S_MAX = 60;

const machineBody = z.looseObject({
  name: z.string().optional(),
  region: z.string().optional(),
  config: z.looseObject({
    image: z.string(),
    env: z.record(z.string(), z.string()).optional(),
    guest: z
      .looseObject({ cpu_kind: z.string(), cpus: z.number(), memory_mb: z.number() })
      .partial()
      .optional(),
    mounts: z.array(z.looseObject({ volume: z.string(), path: z.string() })).optional(),
    metadata: z.record(z.string(), z.string()).optional(),
  }),
  skip_launch: z.boolean().optional(),
  min_secrets_version: z.number().optional(),
  current_version: z.string().optional(),
});

const volumeBody = z.looseObject({
  name: z.string().regex(/^[a-z0-9_]{1,30}$/),
  region: z.string().optional(),
  size_gb: z.number().optional(),
  snapshot_id: z.string().optional(),
  source_volume_id: z.string().optional(),
});

const appBody = z.looseObject({
  name: z.string().optional(),
  app_name: z.string().optional(),
  org_slug: z.string(),
  network: z.string().optional(),
});

/** The calls of the Machines API that the simulated cloud knows (fly-machines-api.md §2, §4, §6). */
const ROUTES: readonly { method: string; path: RegExp; handle: Handle }[] = [
  on("POST", "/apps", (cloud, { body }) =>
    read(appBody, body, ({ name, app_name: appName = "", ...rest }) =>
      apps.createApp(cloud, { ...rest, name: name ?? appName }),
    ),
  ),
  on("GET", "/apps/:app", (cloud, { app }) => apps.getApp(cloud, app)),
  on("DELETE", "/apps/:app", (cloud, { app }) => apps.deleteApp(cloud, app)),
  on("GET", "/apps/:app/ip_assignments", (cloud, { app }) => apps.listAddresses(cloud, app)),
  on("POST", "/apps/:app/ip_assignments", (cloud, { app, body }) =>
    read(z.looseObject({ type: z.string() }), body, ({ type }) => apps.assignAddress(cloud, app, type)),
  ),
  on("POST", "/apps/:app/secrets/:id", (cloud, { app, id, body }) =>
    read(z.looseObject({ value: z.string() }), body, ({ value }) => apps.setSecret(cloud, app, id, value)),
  ),
  on("GET", "/apps/:app/machines", (cloud, { app, query }) =>
    machines.listMachines(cloud, app, metadataFilter(query)),
  ),
  on("POST", "/apps/:app/machines", (cloud, { app, body }) =>
    read(machineBody, body, (parsed) => machines.createMachine(cloud, app, parsed, true)),
  ),
  on("GET", "/apps/:app/machines/:id", (cloud, { app, id }) => machines.getMachine(cloud, app, id)),
  on("POST", "/apps/:app/machines/:id", (cloud, { app, id, body }) =>
    read(machineBody, body, (parsed) => machines.updateMachine(cloud, app, id, parsed)),
  ),
  on("DELETE", "/apps/:app/machines/:id", (cloud, { app, id, query }) =>
    machines.destroyMachine(cloud, app, id, query.get("force") === "true" || query.get("kill") === "true"),
  ),
  on("POST", "/apps/:app/machines/:id/start", (cloud, { app, id }) => machines.startMachine(cloud, app, id)),
  on("POST", "/apps/:app/machines/:id/stop", (cloud, { app, id }) => machines.stopMachine(cloud, app, id)),
  on("GET", "/apps/:app/machines/:id/wait", (cloud, { app, id, query }) =>
    waitForMachine(
      cloud,
      app,
      id,
      query.get("state") ?? "started",
      query.get("version") ?? query.get("instance_id"),
      Number(query.get("timeout") ?? WAIT_S_MAX),
    ),
  ),
  on("GET", "/apps/:app/volumes", (cloud, { app }) => volumes.listVolumes(cloud, app)),
  on("POST", "/apps/:app/volumes", (cloud, { app, body }) =>
    read(volumeBody, body, (parsed) => volumes.createVolume(cloud, app, parsed, true)),
  ),
  on("GET", "/apps/:app/volumes/:id", (cloud, { app, id }) => volumes.getVolume(cloud, app, id)),
  on("DELETE", "/apps/:app/volumes/:id", (cloud, { app, id }) => volumes.deleteVolume(cloud, app, id)),
  on("GET", "/apps/:app/volumes/:id/snapshots", (cloud, { app, id }) =>
    volumes.listSnapshots(cloud, app, id),
  ),
  on("POST", "/apps/:app/volumes/:id/snapshots", (cloud, { app, id }) =>
    volumes.createSnapshot(cloud, app, id),
  ),
];

/** The call that a method and a path name; null for one that the API does not have. */
export function findRoute(method: string, path: string): Found | null {
  for (const route of ROUTES) {
    const match = route.method === method ? route.path.exec(path) : null;
    if (match === null) continue;
    return {
      handle: route.handle,
      app: decodeURIComponent(match.groups?.["app"] ?? ""),
      id: decodeURIComponent(match.groups?.["id"] ?? ""),
    };
  }
  return null;
}

function on(method: string, pattern: string, handle: Handle) {
  const path = new RegExp(`^/v1${pattern.replaceAll(/:(\w+)/g, "(?<$1>[^/]+)")}$`);
  return { method, path, handle };
}

function read<T>(
  schema: z.ZodType<T>,
  body: unknown,
  handle: (parsed: T) => Handled<unknown>,
): Handled<unknown> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return handle(parsed.data);
  return refuse(400, `invalid_argument: ${parsed.error.issues[0]?.path.join(".") ?? "body"}`);
}

function metadataFilter(query: URLSearchParams): { key: string; value: string } | null {
  for (const [name, value] of query) {
    if (name.startsWith("metadata.")) return { key: name.slice("metadata.".length), value };
  }
  return null;
}
