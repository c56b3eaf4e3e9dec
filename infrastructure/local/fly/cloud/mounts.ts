import { Refusal, refusals, type Outcome } from "../refusal.ts";
import type { App, Machine, Volume } from "../state/model.ts";
import type { Cloud } from "./cloud.ts";
import type { LaunchRequest } from "./machines.ts";

/**
 * The volume that a new machine mounts, if any: it must exist, be free, and lie in a region that the machine may
 * be in (contracts/fly-machines-api §4.1, §4.2 C9 and C10).
 */
export function chooseVolume(
  cloud: Cloud,
  app: App,
  request: LaunchRequest,
  candidates: readonly string[],
): Outcome<Volume> | undefined {
  const volumeId = request.config.mounts?.[0]?.volume;
  if (request.config.mounts === undefined || request.config.mounts.length === 0) return undefined;
  const volume = volumeId === undefined ? undefined : cloud.store.volumes.get(volumeId);
  if (volume === undefined || volume.app !== app.name || volume.deletedAt !== undefined) {
    return refusals.invalidArgument(`volume does not exist: ${volumeId ?? ""}`);
  }
  if (volume.attachedMachineId !== null) {
    return new Refusal(
      412,
      `failed_precondition: volume already claimed by machine ${volume.attachedMachineId}`,
    );
  }
  const regionIsFree = request.region === undefined || request.region === "";
  if (!regionIsFree && !candidates.includes(volume.region)) {
    const wrong = `("${volume.region}" != "${candidates[0] ?? ""}")`;
    return new Refusal(422, `Mounts source volume "${volume.id}" is in the wrong region ${wrong}`);
  }
  return volume;
}

/**
 * The volume of a machine's next version. A mounted volume cannot be exchanged or left out; a machine that has none may
 * get one, under the rules of a new machine.
 */
export function volumeAfterUpdate(
  cloud: Cloud,
  app: App,
  machine: Machine,
  request: LaunchRequest,
): Outcome<Volume> | undefined {
  const before = machine.config.mounts?.[0]?.volume;
  if (before === undefined)
    return chooseVolume(cloud, app, { ...request, region: machine.region }, [machine.region]);
  if (before === request.config.mounts?.[0]?.volume) return cloud.store.volumes.get(before);
  return refusals.invalidArgument("the volume mounted by a machine cannot be changed");
}
