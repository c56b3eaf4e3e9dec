import { withMounted } from "./changes.ts";
import type { Observation } from "./observation.ts";
import { CREATE_SHOWS_MS } from "./patience.ts";
import { noteRun } from "./ran.ts";
import type { Empty, InstanceState } from "./state.ts";

/** Between two looks of one row: an alarm's longest pause in a transition, and some. */
const EMPTY_GAP_MS = 100_000;

/**
 * The record as a pass takes it up: a create of a machine whose outcome is not known may have made one, which may have written to
 * the volume it was to be made on.
 */
export function takenUp(state: InstanceState, now: number): InstanceState {
  const { creating } = state;
  return creating === null || creating.on === null ? state : withMounted(state, creating.on, now);
}

/**
 * What an observation adds to the record before anything is decided: what is visible, so that its absence is believed from
 * now on; which looks found nothing; since when the machine is in its state, and its controller silent.
 */
export function noteSeen(state: InstanceState, seen: Observation, now: number): InstanceState {
  const { machine, volume, candidate, creating, recovery } = state;
  const isThere = seen.machine.kind === "present" || seen.machine.kind === "unreachable";
  return {
    ...state,
    ownApp:
      state.ownApp !== null && seen.app.kind === "ours" ? { ...state.ownApp, madeAt: null } : state.ownApp,
    machine: machine !== null && isThere ? { ...machine, seen: true } : machine,
    volume: volume === null ? null : noteVolume(volume, seen),
    candidate:
      candidate !== null && seen.candidate.kind === "present" ? { ...candidate, seen: true } : candidate,
    creating: creating === null ? null : noteCreating(creating, seen),
    recovery: recovery === null ? null : { ...recovery, empty: noteInventory(recovery.empty, seen) },
    // Gone, and not by us: Fly may have moved it, so that one look for what there is instead is not enough.
    doubtful: state.doubtful || isGoneUnasked(state, seen),
    swept: state.intent === "destroyed" ? noteInventory(state.swept, seen) : state.swept,
    watched: watch(state.watched, seen, now),
    ...noteRun(state, seen.machine),
  };
}

function isGoneUnasked({ intent, volume }: InstanceState, seen: Observation): boolean {
  return intent === "destroyed" && volume !== null && !volume.deleted && seen.volume.kind === "absent";
}

type KnownVolume = NonNullable<InstanceState["volume"]>;

function noteVolume(known: KnownVolume, seen: Observation): KnownVolume {
  const { volume, machine, askedAt } = seen;
  const isMounted = machine.kind === "present" && machine.ours && machine.mount?.volumeId === known.id;
  const isInUse = isMounted && machine.phase === "up";
  const noted = { ...known, hasData: known.hasData || isMounted, missing: isInUse ? null : known.missing };
  switch (volume.kind) {
    case "none":
    case "unknown":
      return noted;
    case "absent":
      return { ...noted, missing: noteEmpty(known.missing, true, askedAt) };
    case "present":
      if (volume.id !== known.id) return noted;
      return {
        ...noted,
        region: volume.region === "" ? known.region : volume.region,
        sizeGb: volume.sizeGb ?? known.sizeGb,
        seen: true,
        missing: null,
        hasData: noted.hasData || volume.hasData,
        goneHolder: volume.holder?.is === "gone" ? volume.holder.id : null,
      };
    default:
      return volume satisfies never;
  }
}

type Creating = NonNullable<InstanceState["creating"]>;

function noteCreating(creating: Creating, seen: Observation): Creating {
  const looked = { app: seen.app, machine: seen.machine, volume: seen.volume, candidate: seen.candidate }[
    creating.kind
  ];
  if (looked.kind === "none") return creating;
  if (looked.kind === "unknown") return looked.isThere ? { ...creating, empty: null } : creating;
  // Before the create is over and lists must show it, its absence tells nothing.
  const { askedAt } = seen;
  if (looked.kind === "absent" && askedAt < creating.sentAt + CREATE_SHOWS_MS) return creating;
  return { ...creating, empty: noteEmpty(creating.empty, looked.kind === "absent", askedAt) };
}

function noteInventory(empty: Empty, { inventory, askedAt }: Observation): Empty {
  switch (inventory.kind) {
    case "none":
      return empty;
    case "unknown":
      return inventory.isThere ? null : empty;
    case "seen":
      return noteEmpty(empty, inventory.machines.length === 0 && inventory.volumes.length === 0, askedAt);
    default:
      return inventory satisfies never;
  }
}

/** Looks that are too far apart may each have met a list that was wrong, so they begin anew. */
function noteEmpty(empty: Empty, isEmpty: boolean, askedAt: number): Empty {
  if (!isEmpty) return null;
  if (empty === null || askedAt > empty.at + EMPTY_GAP_MS) return { looks: 1, since: askedAt, at: askedAt };
  return { looks: empty.looks + 1, since: empty.since, at: askedAt };
}

function watch(
  watched: InstanceState["watched"],
  { machine, gateway }: Observation,
  now: number,
): InstanceState["watched"] {
  if (machine.kind === "unreachable") {
    const since = watched?.flyState === "unreachable" ? watched.since : now;
    return { flyState: "unreachable", since, restlessSince: null, silentSince: null };
  }
  if (machine.kind !== "present") return watched;
  const known = watched?.flyState === machine.flyState ? watched : null;
  const isAtRest = machine.phase === "up" || machine.phase === "down" || machine.phase === "failed";
  return {
    flyState: machine.flyState,
    since: known?.since ?? now,
    restlessSince: isAtRest ? null : (watched?.restlessSince ?? now),
    silentSince: gateway.kind === "unknown" ? (known?.silentSince ?? now) : null,
  };
}
