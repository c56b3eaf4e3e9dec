import { LOOK_AGAIN_MS, step, unknown, wait } from "../decisions.ts";
import type { Inventory, MachinePhase, PresentMachine, PresentVolume } from "../observation.ts";
import { isEmptyLongEnough } from "../patience.ts";
import type { InstanceState, Intent, Status } from "../state.ts";
import type { Decision, KnownVolume, Left } from "../step.ts";

/** Which of several machines is the instance's: the most alive, and the newest of those. */
const RANK: Record<MachinePhase, number> = {
  up: 0,
  starting: 1,
  down: 2,
  launching: 3,
  replacing: 4,
  stopping: 5,
  failed: 6,
  destroying: 7,
};

/** The ids were lost: everything of this instance is looked for, and an inconclusive look leads to nothing. */
export function recoverIds(
  state: InstanceState,
  inventory: Inventory,
  status: Status,
  now: number,
): Decision {
  if (inventory.kind === "none") {
    return unknown({ code: "fly_unreachable", why: "Fly was not asked what exists" }, status, now);
  }
  if (inventory.kind === "unknown") return unknown(inventory, status, now);
  const machines = inventory.machines
    .filter((machine) => machine.kind === "present")
    .filter(({ ours }) => ours);
  const away = inventory.machines.filter((machine) => machine.kind === "unreachable");
  if (machines.length === 0 && away.length > 0) {
    const why = "the host of the instance's machine can't be reached";
    return unknown({ code: "host_unreachable", why }, status, now);
  }
  const [best, ...others] = machines.toSorted(byRank);
  const volume = volumeOf(best, inventory.volumes);
  if (best === undefined && volume === null && !isEmptyLongEnough(state.recovery?.empty ?? null)) {
    return wait("time", now + LOOK_AGAIN_MS, "nothing was found; it is looked for again", status);
  }
  return step(
    {
      kind: "recover",
      machineId: best?.id ?? null,
      volume,
      intent: intentFor(state, best, volume),
      others: [
        ...[...others, ...away].map(({ id }): Left => ({ kind: "machine", id })),
        ...inventory.volumes
          .filter(({ id }) => id !== volume?.id)
          .map(({ id }): Left => ({ kind: "volume", id })),
      ],
    },
    best === undefined ? "no machine of this instance exists" : `machine ${best.id} is ${best.flyState}`,
    status,
  );
}

function byRank(a: PresentMachine, b: PresentMachine): number {
  return RANK[a.phase] - RANK[b.phase] || b.createdAt.localeCompare(a.createdAt);
}

/** The volume that the machine mounts, whether it was seen or not; without a machine the newest that can be mounted. */
function volumeOf(best: PresentMachine | undefined, volumes: PresentVolume[]): KnownVolume | null {
  const mounted = best?.mount?.volumeId;
  const seen =
    mounted === undefined
      ? (volumes.find(({ isReachable }) => isReachable) ?? volumes[0])
      : volumes.find(({ id }) => id === mounted);
  if (seen !== undefined) return { id: seen.id, region: seen.region, hasData: true };
  return mounted === undefined ? null : { id: mounted, region: "", hasData: true };
}

/** Where nobody said what it is to do, it does what it does; where nothing of it exists, nor anybody asked for it, it goes. */
function intentFor(
  { recovery }: InstanceState,
  best: PresentMachine | undefined,
  volume: KnownVolume | null,
): Intent | null {
  if (recovery?.adoptsIntent !== true) return null;
  return best === undefined && volume === null && recovery.mayEnd ? "destroyed" : intentOf(best);
}

function intentOf(best: PresentMachine | undefined): Intent {
  if (best === undefined) return "stopped";
  switch (best.phase) {
    case "up":
    case "starting":
    case "launching":
    case "replacing":
      return "running";
    case "stopping":
    case "down":
    case "failed":
    case "destroying":
      return "stopped";
    default:
      return best.phase satisfies never;
  }
}
