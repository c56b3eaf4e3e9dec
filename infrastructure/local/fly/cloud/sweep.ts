import type { Cloud } from "./cloud.ts";
import { isForgotten, isPurgeable } from "./find.ts";

/** Often enough that what nobody can see any more does not pile up. */
const sweepEveryMs = 60_000;

/** Removes, now and from time to time, what has been gone long enough. The returned function ends it. */
export function sweepRegularly(cloud: Cloud, onError: (error: unknown) => void): () => void {
  let cancel = (): void => undefined;
  const next = (): void => {
    cancel = cloud.clock.after(sweepEveryMs, next);
    sweep(cloud).catch(onError);
  };
  next();
  return () => cancel();
}

async function sweep(cloud: Cloud): Promise<void> {
  const { store, runtime, clock } = cloud;
  for (const machine of store.machines.values()) {
    if (isForgotten(cloud, machine)) store.machines.delete(machine.id);
  }
  for (const volume of store.volumes.values()) {
    if (!isPurgeable(cloud, volume)) continue;
    store.volumes.delete(volume.id);
    await runtime.disks.remove({ kind: "volume", id: volume.id });
  }
  const dayMs = 24 * 3600 * 1000;
  for (const snapshot of store.snapshots.values()) {
    if (snapshot.createdAt + snapshot.retentionDays * dayMs > clock.now()) continue;
    store.snapshots.delete(snapshot.id);
    await runtime.disks.remove({ kind: "snapshot", id: snapshot.id });
  }
}
