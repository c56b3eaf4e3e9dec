import { type Answer, ok, REFUSALS } from "./answers.ts";
import { type Cloud, shownAt } from "./cloud.ts";
import { STREAM } from "./streams.ts";
import { type App, isGone, type Volume, type VolumeBody, type VolumeState, type Writing } from "./model.ts";
import { type SnapshotView, viewOfSnapshot, viewOfVolume, type VolumeView } from "./views.ts";

const VOLUME_SIZE_GB = 3;

/** GET /v1/apps/{app}/volumes/{id} (fly-machines-api.md §6.2): also of one that is on its way out. */
export function getVolume(cloud: Cloud, appName: string, id: string): Answer<VolumeView> {
  const app = cloud.app(appName);
  if (app === null) return REFUSALS.appMissing();
  const volume = app.volumes.get(id);
  if (volume === undefined || cloud.now < volume.visibleAt || volume.state === "destroyed") {
    return REFUSALS.volumeMissing();
  }
  return ok(viewOfVolume(cloud, volume, volume.state));
}

/** GET /v1/apps/{app}/volumes: with soft-deleted ones, and at times with what they were before (F-48). */
export function listVolumes(cloud: Cloud, appName: string): Answer<VolumeView[]> {
  const app = cloud.app(appName);
  if (app === null) return REFUSALS.appMissing();
  if (cloud.areListsEmpty) return ok([]);
  const at = cloud.now - cloud.listLagMs;
  const found: VolumeView[] = [];
  for (const volume of app.volumes.values()) {
    if (cloud.now < volume.listedAt) continue;
    const state = shownAt(volume.shown, at);
    if (state !== null && state !== "destroyed") found.push(viewOfVolume(cloud, volume, state));
  }
  return ok(found);
}

/** POST /v1/apps/{app}/volumes: empty, from a snapshot, or as a fork of another volume. */
export function createVolume(
  cloud: Cloud,
  appName: string,
  body: VolumeBody,
  ours: boolean,
): Answer<VolumeView> {
  const app = cloud.app(appName);
  if (app === null) return REFUSALS.appMissing();
  const region = body.region ?? "ams";
  const source =
    body.source_volume_id === undefined ? null : (app.volumes.get(body.source_volume_id) ?? null);
  if (body.source_volume_id !== undefined) {
    if (source === null || isGone(source)) return REFUSALS.volumeMissing();
    if (source.host.status !== "ok") return REFUSALS.hostUnavailable();
  }
  const snapshot = body.snapshot_id === undefined ? null : findSnapshot(app, body.snapshot_id);
  if (body.snapshot_id !== undefined && (snapshot === null || cloud.now < snapshot.readyAt)) {
    return REFUSALS.snapshotMissing();
  }
  if (cloud.quotaRegions.has(region)) return REFUSALS.quota(region);
  const host = cloud.pickHost(region, source?.host ?? null);
  if (host === null) return REFUSALS.noVolumeRoom();
  const writing: Writing | null = source === null ? (snapshot?.writing ?? null) : cloud.contentOf(source);
  const copying: VolumeState | null = source !== null ? "hydrating" : snapshot !== null ? "restoring" : null;
  const volume: Volume = {
    id: cloud.newVolumeId(),
    app,
    name: body.name,
    region,
    host,
    sizeGb: body.size_gb ?? VOLUME_SIZE_GB,
    state: copying ?? "created",
    shown: [],
    createdAt: cloud.now,
    ...cloud.visibility(),
    machine: null,
    bound: null,
    writing,
    mounted: writing !== null,
    kept: (source ?? snapshot)?.kept ?? null,
    proven: false,
    wasAway: false,
    ours,
    forgotten: false,
  };
  app.volumes.set(volume.id, volume);
  cloud.becomeVolume(volume, volume.state);
  if (copying !== null) {
    cloud.clock.at(cloud.between(STREAM.hydrate, cloud.world.hydrate), () => {
      if (volume.state === copying) cloud.becomeVolume(volume, "created");
    });
  }
  return ok(viewOfVolume(cloud, volume, volume.state));
}

/** DELETE /v1/apps/{app}/volumes/{id}: refused while bound, and for a while after (§6.5, F-17); soft at first. */
export function deleteVolume(cloud: Cloud, appName: string, id: string): Answer<VolumeView> {
  const app = cloud.app(appName);
  if (app === null) return REFUSALS.appMissing();
  const volume = app.volumes.get(id);
  if (volume === undefined || volume.state === "destroyed") return REFUSALS.volumeMissing();
  if (isGone(volume)) return ok(viewOfVolume(cloud, volume, volume.state));
  const holder = cloud.holderOf(volume);
  if (holder !== null) return REFUSALS.volumeBound(holder);
  cloud.deleteVolume(volume);
  return ok(viewOfVolume(cloud, volume, volume.state));
}

/** GET /v1/apps/{app}/volumes/{id}/snapshots: also of a volume that is gone. */
export function listSnapshots(cloud: Cloud, appName: string, volumeId: string): Answer<SnapshotView[]> {
  const app = cloud.app(appName);
  if (app === null) return REFUSALS.appMissing();
  const snapshots = app.snapshots.get(volumeId) ?? [];
  return ok(snapshots.map((snapshot) => viewOfSnapshot(snapshot, cloud.now)));
}

/** POST /v1/apps/{app}/volumes/{id}/snapshots: shows up in the list a little later. */
export function createSnapshot(cloud: Cloud, appName: string, volumeId: string): Answer<object> {
  const app = cloud.app(appName);
  if (app === null) return REFUSALS.appMissing();
  const volume = app.volumes.get(volumeId);
  if (volume === undefined || isGone(volume)) return REFUSALS.volumeMissing();
  const running = app.snapshots.get(volumeId)?.find(({ readyAt }) => cloud.now < readyAt);
  if (running !== undefined) return REFUSALS.snapshotScheduled(running.createdAt);
  const { id } = cloud.snapshot(volume);
  return ok({
    Msg: { backup: { volume_id: volumeId, state: "prepare", type: "BACKUP_TYPE_ON_DEMAND", graph_id: id } },
  });
}

function findSnapshot(app: App, id: string) {
  for (const snapshots of app.snapshots.values()) {
    const found = snapshots.find((snapshot) => snapshot.id === id);
    if (found !== undefined) return found;
  }
  return null;
}
