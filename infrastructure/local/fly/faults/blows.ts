import type { Cloud } from "../cloud/cloud.ts";
import { withEvent } from "../cloud/events.ts";
import { stopSettings } from "../cloud/stop-settings.ts";
import { leaseNonce, privateIp, snapshotId, ulid, volumeId, zone } from "../ids.ts";
import { refusals, type Refusal } from "../refusal.ts";
import type { Machine, Volume } from "../state/model.ts";
import { inApp } from "../state/store.ts";

/** The machine is gone as if it had never been: by id, by name and in lists. Its volumes are free. */
export function loseMachine(cloud: Cloud, machine: Machine): void {
  const { store, lifecycle } = cloud;
  for (const volume of store.volumes.find(inApp(machine.app))) {
    if (volume.attachedMachineId === machine.id) store.volumes.put({ ...volume, attachedMachineId: null });
  }
  store.machines.delete(machine.id);
  // Ends its program; there is no row left for its last states.
  lifecycle.destroy(machine.id);
}

/** The volume is gone with its data. Its snapshots are elsewhere, and stay. */
export async function loseVolume(cloud: Cloud, id: string): Promise<Refusal | undefined> {
  if (!cloud.store.volumes.has(id)) return refusals.volumeNotFound();
  cloud.store.volumes.delete(id);
  await cloud.runtime.disks.remove({ kind: "volume", id });
  return undefined;
}

/**
 * Fly takes the machine to another host (contracts/fly-machines-api §5.2): its id stays, its version, address and volume
 * are new, and the old volume is on its way out.
 */
export function moveMachine(cloud: Cloud, machine: Machine): void {
  const { store, lifecycle } = cloud;
  if (machine.target === "started") store.machines.put({ ...machine, state: "restarting" });
  lifecycle.migrate(machine.id, stopSettings(machine), async () => {
    const current = store.machines.get(machine.id);
    if (current === undefined) return;
    const volume = await moveVolume(cloud, current);
    const nowMs = cloud.clock.now();
    const version = ulid(nowMs);
    const [mount, ...others] = current.config.mounts ?? [];
    const config =
      mount === undefined || volume === undefined
        ? current.config
        : { ...current.config, mounts: [{ ...mount, volume: volume.id }, ...others] };
    const network = store.apps.get(current.app)?.network ?? "";
    const moved: Machine = {
      ...current,
      instanceId: version,
      privateIp: privateIp(network),
      config,
      versions: [{ version, config }, ...current.versions],
    };
    const request = { migrated: true } as const;
    store.machines.put(
      withEvent(moved, nowMs, { type: "launch", status: "created", source: "flyd", request }),
    );
  });
}

async function moveVolume(cloud: Cloud, machine: Machine): Promise<Volume | undefined> {
  const before = cloud.store.volumes.get(machine.config.mounts?.[0]?.volume ?? "");
  if (before === undefined) return undefined;
  const id = volumeId();
  await cloud.runtime.disks.copy({ kind: "volume", id: before.id }, { kind: "volume", id });
  const nowMs = cloud.clock.now();
  cloud.store.volumes.put({ ...before, attachedMachineId: null, state: "pending_destroy", deletedAt: nowMs });
  return cloud.store.volumes.put({ ...before, id, zone: zone(), createdAt: nowMs });
}

/** Whoever takes leases here that is not a caller of the API. */
const stranger = "9af60c27-0b1e-4d6f-8c0e-1f7d0a7c5e11@tokens.fly.io";

/** Somebody else takes the lease, in place of whoever has it. */
export function takeLease(cloud: Cloud, machine: Machine, forMs: number): void {
  cloud.store.machines.put({
    ...machine,
    lease: {
      nonce: leaseNonce(),
      expiresAt: Math.ceil((cloud.clock.now() + forMs) / 1000),
      owner: stranger,
      description: "",
      version: machine.instanceId,
    },
  });
}

/** Somebody else gives back every lease that it took. */
export function endLeases({ store }: Cloud): void {
  for (const machine of store.machines.values()) {
    if (machine.lease?.owner !== stranger) continue;
    store.machines.update(machine.id, ({ lease: _ended, ...rest }) => rest);
  }
}

/** A snapshot of what is on the volume, that says it was made so long ago. Resolves when it is finished. */
export async function takeSnapshot(cloud: Cloud, id: string, agoMs: number): Promise<Refusal | undefined> {
  const volume = cloud.store.volumes.get(id);
  if (volume === undefined) return refusals.volumeNotFound();
  const snapshot = snapshotId();
  await cloud.runtime.disks.copy({ kind: "volume", id }, { kind: "snapshot", id: snapshot });
  cloud.store.snapshots.put({
    id: snapshot,
    volumeId: id,
    app: volume.app,
    status: "created",
    sizeGb: volume.sizeGb,
    createdAt: cloud.clock.now() - agoMs,
    retentionDays: volume.snapshotRetention,
  });
  return undefined;
}
