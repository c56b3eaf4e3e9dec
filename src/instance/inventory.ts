import type { FlyClient } from "../fly/client.ts";
import { isGone, lookAtMachine, lookAtVolume, unknown } from "./look.ts";
import { METADATA_SANDBOX } from "./names.ts";
import type { Inventory, PresentMachine, PresentVolume } from "./observation.ts";
import type { InstanceState } from "./state.ts";

/** An instance has one machine and one volume; more of each than this is looked at in the next pass. */
const LOOKED_AT_MAX = 8;

/**
 * Everything in the app that carries this instance's metadata or its volume's name. Lists may be behind, so each thing is
 * confirmed by its id, and a machine that holds one of the volumes is looked at though no list has it.
 */
export async function inventory(state: InstanceState, fly: FlyClient): Promise<Inventory> {
  const [listed, volumesListed] = await Promise.all([
    fly.findMachines(state.appName, METADATA_SANDBOX, state.sandboxId),
    fly.findVolumes(state.appName, state.volumeName),
  ]);
  if (!listed.ok) return isGone(state, listed.error) ? NOTHING : unknown(listed.error);
  if (!volumesListed.ok) return isGone(state, volumesListed.error) ? NOTHING : unknown(volumesListed.error);
  const volumes: PresentVolume[] = [];
  const newestFirst = volumesListed.value.toSorted((a, b) =>
    (b.created_at ?? "").localeCompare(a.created_at ?? ""),
  );
  for (const { id } of newestFirst.slice(0, LOOKED_AT_MAX)) {
    const volume = await lookAtVolume(state, fly, id);
    if (volume.kind === "unknown") return { ...volume, isThere: true };
    if (volume.kind === "present") volumes.push(volume);
  }
  const holders = volumes.flatMap(({ holder }) => (holder === null ? [] : [holder.id]));
  const ids = new Set([...listed.value.map(({ id }) => id), ...holders]);
  const machines: (PresentMachine | { kind: "unreachable"; id: string })[] = [];
  for (const id of [...ids].slice(0, LOOKED_AT_MAX)) {
    const machine = await lookAtMachine(state, fly, id);
    if (machine.kind === "unknown") return { ...machine, isThere: true };
    if (machine.kind === "unreachable" || (machine.kind === "present" && machine.ours))
      machines.push(machine);
  }
  return {
    kind: "seen",
    machines,
    volumes: volumes.toSorted((a, b) => Number(b.holder !== null) - Number(a.holder !== null)),
  };
}

const NOTHING: Inventory = { kind: "seen", machines: [], volumes: [] };
