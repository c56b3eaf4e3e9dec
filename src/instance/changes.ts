import { VISIBILITY_GRACE_MS } from "./patience.ts";
import { NOTHING_RAN } from "./ran.ts";
import { type InstanceState, type Leftover, LEFTOVERS_MAX } from "./state.ts";
import type { KnownVolume, Left, Step } from "./step.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** A region or host that had no room goes last for so long. */
const FULL_MS = 10 * MINUTE_MS;
/** Pauses between deletions of a leftover: Fly may keep a volume bound for two minutes (fly-machines-api.md §6.5). */
const LEFTOVER_RETRY_MS_MIN = 5 * SECOND_MS;
const LEFTOVER_RETRY_MS_MAX = 10 * MINUTE_MS;
/** A volume whose newest data only a snapshot stood in for is kept as long as Fly keeps a migrated one. */
const KEPT_VOLUME_MS = 7 * DAY_MS;

/**
 * Metadata and mount are right; with the candidate mounted, that is the instance's volume from here on. What its controller was given
 * since it was made, by a record that was lost or for an instance that was forgotten, nobody knows.
 */
export function withVerified(
  state: InstanceState,
  { id, instanceId, generation, volumeId, size }: Extract<Step, { kind: "adopt_machine" }>,
  now: number,
): InstanceState {
  const known = state.machine?.id === id ? state.machine : newMachine(id, now);
  return withMounted(
    {
      ...state,
      machine: { ...known, verified: true },
      applied: generation === state.generation ? { generation, instanceId, isConfirmed: false } : null,
      machineSize: size ?? state.machineSize,
      creating: state.creating?.kind === "machine" ? null : state.creating,
      nameConflicts: 0,
      pendingDestroyMachineId: state.intent === "destroyed" ? id : state.pendingDestroyMachineId,
    },
    volumeId,
    now,
  );
}

/** A machine that Fly made on this volume: verified by that, and counted as a bring-up. */
export function withCreatedMachine(
  state: InstanceState,
  volumeId: string,
  id: string,
  now: number,
): InstanceState {
  const made: InstanceState = {
    ...countBringUp(state, now),
    capacityTries: 0,
    nameConflicts: 0,
    sizeWished: false,
    machine: { ...newMachine(id, now), verified: true },
    watched: null,
    ...NOTHING_RAN,
    accepted: null,
    creating: null,
    pendingDestroyMachineId: state.intent === "destroyed" ? id : state.pendingDestroyMachineId,
  };
  return withMounted(made, volumeId, now);
}

/** A machine that is to be looked at: whose it is, and what it mounts, is not known yet. An open create stays open. */
export function withNotedMachine(state: InstanceState, id: string, now: number): InstanceState {
  return {
    ...state,
    machine: state.machine?.id === id ? state.machine : newMachine(id, now),
    watched: null,
    ...NOTHING_RAN,
    accepted: null,
    pendingDestroyMachineId: state.intent === "destroyed" ? id : state.pendingDestroyMachineId,
  };
}

/** A machine runs on this volume: from here on it has data, and the one that it took the place of is kept until that is ready. */
export function withMounted(state: InstanceState, volumeId: string, now: number): InstanceState {
  const { volume, candidate } = state;
  if (candidate?.id !== volumeId) {
    return volume?.id === volumeId && !volume.hasData
      ? { ...state, volume: { ...volume, hasData: true } }
      : state;
  }
  const { isOlderCopy, ...place } = candidate;
  const promoted: InstanceState = {
    ...state,
    candidate: null,
    volume: { ...place, hasData: true, missing: null, deleted: false, goneHolder: null },
    pendingDestroyVolumeId: state.intent === "destroyed" ? candidate.id : state.pendingDestroyVolumeId,
  };
  if (volume === null) return promoted;
  const notBefore = isOlderCopy ? now + KEPT_VOLUME_MS : now;
  return withLeftover(promoted, { kind: "volume", id: volume.id }, now, { notBefore, whenReady: true });
}

/** Another volume is the instance's own from here on; what is known of its data comes with it. */
export function withVolume(
  state: InstanceState,
  { id, region, hasData }: KnownVolume,
  sizeGb: number,
  now: number,
): InstanceState {
  return {
    ...state,
    volume: {
      id,
      region,
      sizeGb,
      createdAt: now,
      seen: false,
      hasData,
      missing: null,
      deleted: false,
      goneHolder: null,
    },
    leftovers: state.leftovers.filter((left) => left.id !== id),
    creating: state.creating?.kind === "volume" ? null : state.creating,
    pendingDestroyVolumeId: state.intent === "destroyed" ? id : state.pendingDestroyVolumeId,
  };
}

/** A volume elsewhere that waits for a machine. */
export function withCandidate(
  state: InstanceState,
  place: { id: string; region: string; sizeGb: number; isOlderCopy: boolean },
  now: number,
): InstanceState {
  return {
    ...state,
    candidate: { ...place, createdAt: now, seen: false },
    creating: state.creating?.kind === "candidate" ? null : state.creating,
  };
}

/** The candidate is thrown away: it goes as a leftover, once it must be visible. */
export function withoutCandidate(state: InstanceState, now: number): InstanceState {
  const { candidate } = state;
  if (candidate === null) return state;
  const visibleFrom = candidate.seen ? now : candidate.createdAt + VISIBILITY_GRACE_MS;
  return withLeftover({ ...state, candidate: null }, { kind: "volume", id: candidate.id }, now, {
    visibleFrom,
  });
}

/** No machine is known; nothing is awaited of one. */
export function withoutMachine(state: InstanceState): InstanceState {
  return {
    ...state,
    ...NOTHING_RAN,
    machine: null,
    pendingDestroyMachineId: null,
    watched: null,
    accepted: null,
  };
}

/** The machine stays to be destroyed when Fly can; its name is not free, so the next one has another. */
export function withGivenUp(state: InstanceState, id: string, now: number): InstanceState {
  const creating = state.creating?.kind === "machine" ? null : state.creating;
  return withNextName(withoutMachine(withLeftover({ ...state, creating }, { kind: "machine", id }, now)));
}

/** The next machine has another name. */
export function withNextName(state: InstanceState): InstanceState {
  return { ...state, machineNames: state.machineNames + 1, nameConflicts: 0 };
}

/** Fields of the tenant's own app; nothing where all tenants share one. */
export function withOwnApp(
  state: InstanceState,
  fields: Partial<NonNullable<InstanceState["ownApp"]>>,
): InstanceState {
  return state.ownApp === null ? state : { ...state, ownApp: { ...state.ownApp, ...fields } };
}

/** A region, or the host of the volume in it, had no room, and goes last for a while. */
export function withFull(
  state: InstanceState,
  region: string,
  scope: "region" | "host",
  now: number,
): InstanceState {
  const others = state.fullRegions.filter(
    (full) => full.until > now && (full.region !== region || full.scope !== scope),
  );
  return { ...state, fullRegions: [...others, { region, scope, until: now + FULL_MS }] };
}

/** Nothing is forgotten for want of room: who asks for more than there is room for has looked first. */
export function withLeftover(
  state: InstanceState,
  { kind, id }: Left,
  now: number,
  { isKept = false, notBefore = now, whenReady = false, visibleFrom = now }: Partial<Leftover> = {},
): InstanceState {
  if (state.leftovers.some((left) => left.id === id) || state.leftovers.length >= LEFTOVERS_MAX) return state;
  const left: Leftover = {
    kind,
    isKept,
    id,
    since: now,
    notBefore,
    whenReady,
    visibleFrom,
    retryAt: now,
    tries: 0,
  };
  return { ...state, leftovers: [...state.leftovers, left] };
}

/** What nobody knows to be needed or not is kept, and goes with the instance. */
export function withFound(state: InstanceState, found: Left[], now: number): InstanceState {
  return found.reduce<InstanceState>((next, left) => withLeftover(next, left, now, { isKept: true }), state);
}

/** A deletion was asked for, or could not be; the pause before the next grows. */
export function withLeftoverTried(state: InstanceState, { id }: Left, now: number): InstanceState {
  return {
    ...state,
    leftovers: state.leftovers.map((left) =>
      left.id === id
        ? {
            ...left,
            tries: left.tries + 1,
            retryAt:
              now + Math.min(LEFTOVER_RETRY_MS_MIN * 2 ** Math.min(left.tries, 10), LEFTOVER_RETRY_MS_MAX),
          }
        : left,
    ),
  };
}

/** Fly accepted the step; its effect is waited for before it is repeated. */
export function withAccepted(state: InstanceState, step: Step, now: number): InstanceState {
  return { ...state, accepted: { kind: step.kind, at: now } };
}

/** A machine of which only the id is known. */
export function newMachine(id: string, now: number): NonNullable<InstanceState["machine"]> {
  return { id, createdAt: now, seen: false, verified: false, remounted: false, destroysAsked: 0 };
}

/** One more bring-up, and those of more than an hour ago forgotten. */
export function countBringUp(state: InstanceState, now: number): InstanceState {
  return {
    ...state,
    lastStartedAt: now,
    bringUps: [...state.bringUps.filter((at) => at > now - HOUR_MS), now],
  };
}
