import { HOST_AWAY, LOOK_AGAIN_MS, RECHECK_SLOW_MS, step, unknown, wait } from "../decisions.ts";
import type { Observation, PresentVolume } from "../observation.ts";
import {
  DESTROY_DEADLINE_MS,
  isEmptyLongEnough,
  lookAgainAt,
  notVisibleYet,
  openCreateMayAppear,
} from "../patience.ts";
import { VOLUME_SIZE_GB } from "../sizes.ts";
import { type InstanceState, LEFTOVERS_MAX } from "../state.ts";
import type { Decision, Left } from "../step.ts";
import { appGone } from "./app.ts";
import { leftoverNext } from "./leftovers.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const status = "destroying";

/** Only deletes. The record goes last, when machine, volume, leftovers, app and every open create are confirmed gone. */
export function decideDestroyed(state: InstanceState, seen: Observation, now: number): Decision {
  const decision =
    machineGone(state, seen, now) ??
    volumesGone(state, seen, now) ??
    leftoversGone(state, seen, now) ??
    nothingElse(state, seen, now) ??
    appGone(state, seen.app, seen.askedAt, now) ??
    step({ kind: "erase" }, "everything is gone", status);
  return tellStuck(state, decision, now);
}

function machineGone(state: InstanceState, { machine, askedAt }: Observation, now: number): Decision | null {
  if (machine.kind === "unknown") return unknown(machine, status, now);
  const destroy = (id: string): Decision =>
    step({ kind: "destroy_machine", id }, "the instance is to go", status, state.lastError);
  if (machine.kind === "unreachable") {
    return state.accepted?.kind === "destroy_machine" && now < state.accepted.at + MINUTE_MS
      ? wait("time", state.accepted.at + MINUTE_MS, "the machine's host is away", status, HOST_AWAY)
      : destroy(machine.id);
  }
  // A machine of another tenant is not this instance's to delete, nor to wait for.
  if (machine.kind === "present" && machine.ours) {
    if (state.machine === null && state.pendingDestroyMachineId === null) {
      return step({ kind: "note_machine", id: machine.id }, "it is to go first", status);
    }
    // Fly moves a machine with its data to another volume; what it mounts is this tenant's, and goes too.
    const mounted = machine.mount?.volumeId;
    if (mounted !== undefined && mounted !== state.volume?.id && !isLeftover(state, mounted)) {
      return step(
        { kind: "note_leftovers", found: [{ kind: "volume", id: mounted }] },
        "the machine mounts it",
        status,
      );
    }
    if (machine.phase === "destroying") {
      return wait("machine", now + RECHECK_SLOW_MS, `the machine is ${machine.flyState}`, status);
    }
    return destroy(machine.id);
  }
  if (openCreateMayAppear(state, "machine") || notVisibleYet(state.machine, askedAt)) {
    return wait("time", lookAgainAt(state, now), "a machine may still appear", status, state.lastError);
  }
  return null;
}

function isLeftover({ leftovers, candidate, pendingDestroyVolumeId }: InstanceState, id: string): boolean {
  // With no room for more, the sweep at the end finds it.
  const isFull = leftovers.length >= LEFTOVERS_MAX;
  return (
    isFull ||
    candidate?.id === id ||
    pendingDestroyVolumeId === id ||
    leftovers.some((left) => left.id === id)
  );
}

function volumesGone(
  state: InstanceState,
  { machine, volume, candidate, askedAt }: Observation,
  now: number,
): Decision | null {
  if (volume.kind === "unknown") return unknown(volume, status, now);
  if (volume.kind === "present") {
    const { holder } = volume;
    // A machine that the record does not know, but that holds our volume, goes first.
    if (machine.kind !== "present" && (holder?.is === "ours" || holder?.is === "given_up")) {
      return step({ kind: "note_machine", id: holder.id }, "it holds the volume", status);
    }
    if (state.volume === null && state.pendingDestroyVolumeId === null) {
      const { id, region } = volume;
      return step(
        {
          kind: "adopt_volume",
          id,
          region,
          sizeGb: volume.sizeGb ?? VOLUME_SIZE_GB,
          hasData: true,
          replacesLost: false,
        },
        "a volume of our name exists",
        status,
      );
    }
    return step({ kind: "delete_volume", id: volume.id }, "the instance is to go", status, state.lastError);
  }
  if (openCreateMayAppear(state, "volume") || notVisibleYet(state.volume, askedAt)) {
    return wait("time", lookAgainAt(state, now), "a volume may still appear", status, state.lastError);
  }
  if (state.candidate !== null) return step({ kind: "drop_candidate" }, "the instance is to go", status);
  if (openCreateMayAppear(state, "candidate")) {
    if (candidate.kind === "unknown") return unknown(candidate, status, now);
    if (candidate.kind === "present") {
      const { id, region } = candidate;
      return step(
        { kind: "adopt_candidate", id, region, sizeGb: candidate.sizeGb ?? VOLUME_SIZE_GB },
        "the copy that was asked for exists",
        status,
      );
    }
    return wait("time", lookAgainAt(state, now), "a copy may still appear", status, state.lastError);
  }
  return null;
}

function leftoversGone(state: InstanceState, seen: Observation, now: number): Decision | null {
  const next = leftoverNext(state, seen, status, now);
  if (next !== null) return next;
  const [first] = state.leftovers;
  if (first === undefined) return null;
  const until = Math.max(now + SECOND_MS, Math.min(...state.leftovers.map(({ retryAt }) => retryAt)));
  return wait("time", until, `${first.kind} ${first.id} is still there`, status, {
    code: "fly_busy",
    message: `Fly still keeps the ${first.kind} ${first.id}.`,
  });
}

/** What carries our metadata or our volume's name and is not known is found and goes too; strangers' things do not. */
function nothingElse(state: InstanceState, { inventory }: Observation, now: number): Decision | null {
  if (inventory.kind === "unknown") return unknown(inventory, status, now);
  if (inventory.kind === "none") {
    return unknown({ code: "fly_unreachable", why: "Fly was not asked what exists" }, status, now);
  }
  const machines = inventory.machines.map(({ id }): Left => ({ kind: "machine", id }));
  const volumes = inventory.volumes.map(({ id }: PresentVolume): Left => ({ kind: "volume", id }));
  const found = [...machines, ...volumes].slice(0, LEFTOVERS_MAX);
  if (found.length > 0) return step({ kind: "note_leftovers", found }, "they are of this instance", status);
  if (state.doubtful && !isEmptyLongEnough(state.swept)) {
    return wait("time", now + LOOK_AGAIN_MS, "something may still appear", status);
  }
  return null;
}

/** A destroy that lasts is named as stuck, with what is in its way; it goes on all the same. */
function tellStuck(state: InstanceState, decision: Decision, now: number): Decision {
  if (decision.kind === "settled" || now < state.statusSince + DESTROY_DEADLINE_MS) return decision;
  if (decision.kind === "step" && decision.step.kind === "erase") return decision;
  const message = `Deleting takes longer than ${DESTROY_DEADLINE_MS / MINUTE_MS} minutes: ${decision.reason}.`;
  return { ...decision, problem: { code: "destroy_stuck", message } };
}
