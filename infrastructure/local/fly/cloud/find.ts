import { Refusal, refusals, type Outcome } from "../refusal.ts";
import type { App, Machine, Volume } from "../state/model.ts";
import type { Cloud } from "./cloud.ts";

/** The app, also while it is being deleted; refused with 404 where there is none. */
export function findApp(cloud: Cloud, name: string): Outcome<App> {
  return cloud.store.apps.get(name) ?? refusals.appNotFound();
}

/** An app that takes new machines and volumes. */
export function findOpenApp(cloud: Cloud, name: string): Outcome<App> {
  const app = findApp(cloud, name);
  return app instanceof Refusal || !app.isDeleting ? app : refusals.appNotFound();
}

/** A machine of the app; a destroyed one only for a minute or so after its end. */
export function findMachine(cloud: Cloud, appName: string, machineId: string): Outcome<Machine> {
  const machine = cloud.store.machines.get(machineId);
  if (!cloud.store.apps.has(appName)) return refusals.appNotFound();
  if (machine === undefined || machine.app !== appName || isForgotten(cloud, machine)) {
    return refusals.machineNotFound();
  }
  return machine;
}

/** A volume of the app; a deleted one until its data are gone. */
export function findVolume(cloud: Cloud, appName: string, volumeId: string): Outcome<Volume> {
  const volume = cloud.store.volumes.get(volumeId);
  if (!cloud.store.apps.has(appName)) return refusals.appNotFound();
  if (volume === undefined || volume.app !== appName || isPurgeable(cloud, volume)) {
    return refusals.volumeNotFound();
  }
  return volume;
}

/** A machine destroyed so long ago that Fly answers 404. */
export function isForgotten(cloud: Cloud, machine: Machine): boolean {
  return (
    machine.destroyedAt !== undefined &&
    machine.destroyedAt + cloud.timings.destroyedRetentionMs <= cloud.clock.now()
  );
}

/** A volume deleted so long ago that its data go. */
export function isPurgeable(cloud: Cloud, volume: Volume): boolean {
  return (
    volume.deletedAt !== undefined && volume.deletedAt + cloud.timings.volumeRetentionMs <= cloud.clock.now()
  );
}
