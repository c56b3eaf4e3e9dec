import { pause } from "../clock.ts";
import { snapshotId, volumeId, zone } from "../ids.ts";
import { messageOf } from "../log.ts";
import { Refusal, refusals, type Outcome } from "../refusal.ts";
import type { DiskName } from "../runtime/runtime.ts";
import type { App, Snapshot, Volume } from "../state/model.ts";
import { inApp, ofVolume } from "../state/store.ts";
import type { Cloud } from "./cloud.ts";
import { findVolume, isPurgeable } from "./find.ts";
import { singleRegion } from "./regions.ts";

export interface VolumeRequest {
  name: string;
  region?: string | undefined;
  sizeGb?: number | undefined;
  encrypted?: boolean | undefined;
  fstype?: string | undefined;
  snapshotId?: string | undefined;
  sourceVolumeId?: string | undefined;
  snapshotRetention?: number | undefined;
  autoBackupEnabled?: boolean | undefined;
}

const sizeGbDefault = 3;
const sizeGbMax = 500;
const snapshotRetentionDaysDefault = 5;

/** Makes an empty volume, a fork of another, or one from a snapshot (contracts/fly-machines-api §6). */
export async function createVolume(cloud: Cloud, app: App, request: VolumeRequest): Promise<Outcome<Volume>> {
  if (!/^[a-z0-9_]{1,30}$/.test(request.name)) {
    return refusals.invalidArgument(
      "volume name must contain only lowercase letters, numbers and underscores, and be at most 30 characters",
    );
  }
  const source = sourceOf(cloud, app, request);
  if (source instanceof Refusal) return source;
  const region = singleRegion(request.region, source?.region ?? cloud.rules.nearestRegion);
  if (region instanceof Refusal) return region;
  const sizeGb = request.sizeGb ?? source?.sizeGb ?? sizeGbDefault;
  const badSize = refuseSize(sizeGb, source?.sizeGb ?? 1);
  if (badSize !== undefined) return badSize;

  const id = volumeId();
  if (source === undefined) await cloud.runtime.disks.create(id);
  const volume = cloud.store.volumes.put({
    id,
    app: app.name,
    name: request.name,
    state: source === undefined ? "created" : stateWhileCopied(source.disk),
    ...(source === undefined ? {} : { copyOf: source.disk }),
    sizeGb,
    region,
    zone: zone(),
    encrypted: request.encrypted ?? true,
    fstype: request.fstype ?? "ext4",
    attachedMachineId: null,
    createdAt: cloud.clock.now(),
    snapshotRetention: request.snapshotRetention ?? snapshotRetentionDaysDefault,
    autoBackupEnabled: request.autoBackupEnabled ?? true,
  });
  if (source !== undefined) fillVolume(cloud, volume, source.disk);
  return volume;
}

/** The app's volumes, deleted ones too for as long as Fly shows them. */
export function listVolumes(cloud: Cloud, app: App): Volume[] {
  return cloud.store.volumes.find(inApp(app.name)).filter((volume) => !isPurgeable(cloud, volume));
}

/** Changes how long snapshots are kept, in days, and whether any are made; what is not given stays. */
export function updateVolume(
  cloud: Cloud,
  volume: Volume,
  change: { snapshotRetention?: number | undefined; autoBackupEnabled?: boolean | undefined },
): Volume {
  return cloud.store.volumes.put({
    ...volume,
    snapshotRetention: change.snapshotRetention ?? volume.snapshotRetention,
    autoBackupEnabled: change.autoBackupEnabled ?? volume.autoBackupEnabled,
  });
}

/** Volumes grow and never shrink. */
export function extendVolume(cloud: Cloud, volume: Volume, sizeGb: number): Outcome<Volume> {
  return refuseSize(sizeGb, volume.sizeGb) ?? cloud.store.volumes.put({ ...volume, sizeGb });
}

/** Marks the volume deleted; its data stay for a day. 412 while a machine has it. */
export function deleteVolume(cloud: Cloud, volume: Volume): Outcome<Volume> {
  if (volume.deletedAt !== undefined) return volume;
  if (volume.attachedMachineId !== null) {
    return new Refusal(
      412,
      `failed_precondition: volume is currently bound to machine: ${volume.attachedMachineId}`,
    );
  }
  return cloud.store.volumes.put({
    ...volume,
    state: "pending_destroy",
    deletedAt: cloud.clock.now(),
  });
}

/** The volume's snapshots, newest first; they outlive it, so that it is enough that one of them is there. */
export function listSnapshots(cloud: Cloud, appName: string, volumeId: string): Outcome<Snapshot[]> {
  const volume = findVolume(cloud, appName, volumeId);
  const snapshots = cloud.store.snapshots.find(ofVolume(volumeId)).filter(({ app }) => app === appName);
  return volume instanceof Refusal && snapshots.length === 0 ? volume : snapshots.toReversed();
}

/** Begins a snapshot; it appears in the list at once, as `running`. 412 while another is made. */
export function createSnapshot(cloud: Cloud, volume: Volume): Outcome<Snapshot> {
  const running = cloud.store.snapshots.find(ofVolume(volume.id)).find(({ status }) => status === "running");
  if (running !== undefined) {
    const since = new Date(running.createdAt).toISOString();
    return new Refusal(412, `failed_precondition: snapshot is already scheduled at ${since}`);
  }
  const snapshot = cloud.store.snapshots.put({
    id: snapshotId(),
    volumeId: volume.id,
    app: volume.app,
    status: "running",
    sizeGb: volume.sizeGb,
    createdAt: cloud.clock.now(),
    retentionDays: volume.snapshotRetention,
  });
  fillSnapshot(cloud, snapshot);
  return snapshot;
}

/** Resolves when the volume's data are all there; rejects if they never will be. */
export function volumeReady(cloud: Pick<Cloud, "store">, id: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const check = (volume: Volume | undefined): boolean => {
      if (volume === undefined || volume.state === "failed") {
        reject(new Error(`Volume ${id} has no data.`));
        return true;
      }
      if (volume.copyOf !== undefined) return false;
      resolve();
      return true;
    };
    if (check(cloud.store.volumes.get(id))) return;
    const unwatch = cloud.store.volumes.watch(id, (volume) => {
      if (check(volume)) unwatch();
    });
  });
}

/** Goes on with the copies that an earlier life of the local Fly left half done. */
export function resumeCopies(cloud: Cloud): void {
  for (const volume of cloud.store.volumes.values()) {
    if (volume.copyOf !== undefined && volume.state !== "failed") fillVolume(cloud, volume, volume.copyOf);
  }
  for (const snapshot of cloud.store.snapshots.values()) {
    if (snapshot.status === "running") fillSnapshot(cloud, snapshot);
  }
}

interface Source {
  disk: DiskName;
  sizeGb: number;
  /** Where the copy goes if nothing is said; a snapshot is in no region. */
  region: string | undefined;
}

function sourceOf(cloud: Cloud, app: App, request: VolumeRequest): Outcome<Source> | undefined {
  if (request.snapshotId !== undefined) {
    const snapshot = cloud.store.snapshots.get(request.snapshotId);
    if (snapshot?.app !== app.name || snapshot.status !== "created") {
      return new Refusal(422, `snapshot not found: ${request.snapshotId}`);
    }
    return { disk: { kind: "snapshot", id: snapshot.id }, sizeGb: snapshot.sizeGb, region: undefined };
  }
  if (request.sourceVolumeId !== undefined) {
    const volume = cloud.store.volumes.get(request.sourceVolumeId);
    const isThere = volume?.app === app.name && volume.deletedAt === undefined;
    if (!isThere || volume.copyOf !== undefined) return refusals.volumeNotFound();
    return { disk: { kind: "volume", id: volume.id }, sizeGb: volume.sizeGb, region: volume.region };
  }
  return undefined;
}

function stateWhileCopied(from: DiskName): Volume["state"] {
  return from.kind === "snapshot" ? "restoring" : "hydrating";
}

function refuseSize(sizeGb: number, sizeGbMin: number): Refusal | undefined {
  if (sizeGb >= sizeGbMin && sizeGb <= sizeGbMax) return undefined;
  return refusals.invalidArgument(`volume size_gb must be between ${sizeGbMin} and ${sizeGbMax}`);
}

function fillVolume(cloud: Cloud, volume: Volume, from: DiskName): void {
  const finish = (state: "created" | "failed"): void => {
    cloud.store.volumes.update(volume.id, ({ copyOf, ...row }) => ({
      ...row,
      // It may have been deleted in the meantime.
      state: row.deletedAt === undefined ? state : row.state,
      ...(state === "failed" && copyOf !== undefined ? { copyOf } : {}),
    }));
  };
  Promise.all([
    cloud.runtime.disks.copy(from, { kind: "volume", id: volume.id }),
    pause(cloud.clock, cloud.timings.hydrateMs, cloud.closing),
  ]).then(
    ([, isDone]) => (isDone ? finish("created") : undefined),
    (error: unknown) => {
      cloud.log({ kind: "problem", message: `Volume ${volume.id} was not filled: ${messageOf(error)}` });
      finish("failed");
    },
  );
}

function fillSnapshot(cloud: Cloud, snapshot: Snapshot): void {
  const finish = (status: "created" | "failed"): void => {
    cloud.store.snapshots.update(snapshot.id, (row) => ({ ...row, status }));
  };
  cloud.runtime.disks
    .copy({ kind: "volume", id: snapshot.volumeId }, { kind: "snapshot", id: snapshot.id })
    .then(
      () => finish("created"),
      (error: unknown) => {
        cloud.log({
          kind: "problem",
          message: `Snapshot ${snapshot.id} was not made: ${messageOf(error)}`,
        });
        finish("failed");
      },
    );
}
