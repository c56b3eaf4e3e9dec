import { Hono } from "hono";
import { z } from "zod";
import type { Cloud } from "../cloud/cloud.ts";
import { findApp, findOpenApp, findVolume } from "../cloud/find.ts";
import {
  createSnapshot,
  createVolume,
  deleteVolume,
  extendVolume,
  listSnapshots,
  listVolumes,
  updateVolume,
} from "../cloud/volumes.ts";
import { Refusal } from "../refusal.ts";
import type { ActionMiddleware } from "./actions.ts";
import { readBody } from "./body.ts";
import { refuse } from "./reply.ts";
import { snapshotView, volumeView } from "./views.ts";

const retentionDays = z.number().int().min(1).max(60);
const createSchema = z.object({
  name: z.string().default(""),
  region: z.string().optional(),
  size_gb: z.number().int().optional(),
  encrypted: z.boolean().optional(),
  fstype: z.enum(["ext4", "raw"]).optional(),
  snapshot_id: z.string().optional(),
  source_volume_id: z.string().optional(),
  snapshot_retention: retentionDays.optional(),
  auto_backup_enabled: z.boolean().optional(),
});
const updateSchema = z.object({
  snapshot_retention: retentionDays.optional(),
  auto_backup_enabled: z.boolean().optional(),
});
const extendSchema = z.object({ size_gb: z.number().int() });

/** Volumes and their snapshots (fly-machines-api.md §6). */
export function volumeRoutes(cloud: Cloud, action: ActionMiddleware): Hono {
  const routes = new Hono();

  routes.get("/apps/:app/volumes", action("volume_list", "app"), (context) => {
    const app = findApp(cloud, context.req.param("app"));
    if (app instanceof Refusal) return refuse(context, app);
    return context.json(listVolumes(cloud, app).map(volumeView));
  });

  routes.post("/apps/:app/volumes", action("volume_create", "app"), async (context) => {
    const body = await readBody(context, createSchema);
    if (body instanceof Refusal) return refuse(context, body);
    const app = findOpenApp(cloud, context.req.param("app"));
    if (app instanceof Refusal) return refuse(context, app);
    const volume = await createVolume(cloud, app, {
      name: body.name,
      region: body.region,
      sizeGb: body.size_gb,
      encrypted: body.encrypted,
      fstype: body.fstype,
      snapshotId: body.snapshot_id,
      sourceVolumeId: body.source_volume_id,
      snapshotRetention: body.snapshot_retention,
      autoBackupEnabled: body.auto_backup_enabled,
    });
    return volume instanceof Refusal ? refuse(context, volume) : context.json(volumeView(volume));
  });

  routes.get("/apps/:app/volumes/:volume", action("volume_get", "volume"), (context) => {
    const volume = findVolume(cloud, context.req.param("app"), context.req.param("volume"));
    return volume instanceof Refusal ? refuse(context, volume) : context.json(volumeView(volume));
  });

  routes.put("/apps/:app/volumes/:volume", action("volume_update", "volume"), async (context) => {
    const body = await readBody(context, updateSchema);
    if (body instanceof Refusal) return refuse(context, body);
    const volume = findVolume(cloud, context.req.param("app"), context.req.param("volume"));
    if (volume instanceof Refusal) return refuse(context, volume);
    const changed = updateVolume(cloud, volume, {
      snapshotRetention: body.snapshot_retention,
      autoBackupEnabled: body.auto_backup_enabled,
    });
    return context.json(volumeView(changed));
  });

  routes.put("/apps/:app/volumes/:volume/extend", action("volume_extend", "volume"), async (context) => {
    const body = await readBody(context, extendSchema);
    if (body instanceof Refusal) return refuse(context, body);
    const volume = findVolume(cloud, context.req.param("app"), context.req.param("volume"));
    const extended = volume instanceof Refusal ? volume : extendVolume(cloud, volume, body.size_gb);
    if (extended instanceof Refusal) return refuse(context, extended);
    return context.json({ volume: volumeView(extended), needs_restart: false });
  });

  routes.delete("/apps/:app/volumes/:volume", action("volume_delete", "volume"), (context) => {
    const volume = findVolume(cloud, context.req.param("app"), context.req.param("volume"));
    const deleted = volume instanceof Refusal ? volume : deleteVolume(cloud, volume);
    return deleted instanceof Refusal ? refuse(context, deleted) : context.json(volumeView(deleted));
  });

  routes.get("/apps/:app/volumes/:volume/snapshots", action("snapshot_list", "volume"), (context) => {
    const snapshots = listSnapshots(cloud, context.req.param("app"), context.req.param("volume"));
    return snapshots instanceof Refusal
      ? refuse(context, snapshots)
      : context.json(snapshots.map(snapshotView));
  });

  routes.post("/apps/:app/volumes/:volume/snapshots", action("snapshot_create", "volume"), (context) => {
    const volume = findVolume(cloud, context.req.param("app"), context.req.param("volume"));
    const snapshot = volume instanceof Refusal ? volume : createSnapshot(cloud, volume);
    return snapshot instanceof Refusal ? refuse(context, snapshot) : context.json(snapshotView(snapshot));
  });

  return routes;
}
