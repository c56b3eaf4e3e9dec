import {
  down,
  HOST_AWAY,
  notOurs,
  RECHECK_MS,
  RECHECK_SLOW_MS,
  refused,
  step,
  unknown,
  wait,
  waitForHost,
  wedged,
} from "../decisions.ts";
import { machineNameOf } from "../names.ts";
import type { Observation, PresentMachine, PresentVolume } from "../observation.ts";
import {
  HOST_DEADLINE_MS,
  mayRetryCreate,
  settledWithLeftovers,
  START_DEADLINE_MS,
  startDeadline,
  tooManyBringUps,
} from "../patience.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision, Problem, Step } from "../step.ts";
import { candidateElsewhere, isHostFull } from "./capacity.ts";
import { secondLook } from "./second-look.ts";
import { leftoverNext } from "./leftovers.ts";
import {
  absentMachine,
  between,
  isRefusedForLong,
  destroyStale,
  followMigration,
  giveUp,
  isOurVolume,
  verifyMachine,
} from "./machine.ts";
import { candidateFirst, dropCandidate, placeFor, VOLUME_NOT_ASKED, volumeFirst } from "./storage.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
/** Destroys of a machine on a host that is away which nobody answered (fly-machines-api.md §4.11), after which it is given up. */
const DESTROYS_ASKED_MAX = 6;
/** Refusals in a row of a create, over some ten minutes, because the volume is still claimed (fly-machines-api.md F-18). */
const CLAIM_REFUSALS_MAX = 14;
/** Tries on a full host before the machine moves away from it (fly-machines-api.md F-20). */
const FULL_HOST_TRIES = 2;

/** Up, with the wanted configuration, on its volume, and the gateway ready. */
export function decideRunning(state: InstanceState, seen: Observation, now: number): Decision {
  const rising = risingStatus(state);
  const { machine } = seen;
  switch (machine.kind) {
    case "unknown":
      return unknown(machine, state.status, now);
    case "unreachable":
      return decideUnreachable(state, machine.id, seen, now);
    case "none":
      return createMachine(state, seen, now, rising);
    case "absent":
      return state.machine === null && mayRetryCreate(state, "machine", now)
        ? createMachine(state, seen, now, rising)
        : absentMachine(
            state,
            seen,
            now,
            rising,
            "stopped",
            "Fly no longer knows the machine; it is made anew on its volume.",
          );
    case "present":
      return decidePresent(state, machine, seen, now, rising);
    default:
      return machine satisfies never;
  }
}

function decidePresent(
  state: InstanceState,
  machine: PresentMachine,
  seen: Observation,
  now: number,
  rising: Status,
): Decision {
  if (!machine.ours) return refused(rising, now, notOurs(machine.id));
  if (state.volume === null) {
    const first = volumeFirst(state, seen, now, rising);
    if (first !== null) return first;
  }
  const compared =
    followMigration(state, machine, seen, rising) ?? verifyMachine(state, machine, rising, now);
  if (compared !== null) return compared;
  const remount = setMountRight(state, machine, seen, now, rising);
  if (remount !== null) return remount;
  switch (machine.phase) {
    case "up":
      return decideUp(state, machine, seen, now);
    case "launching":
    case "starting":
      return between(state, machine, rising, now);
    case "replacing":
    case "stopping":
    case "destroying": {
      const decision = between(state, machine, rising, now, SECOND_MS);
      // What follows may be any state, and a wait for one of them would miss the others.
      return decision.kind === "wait" ? { ...decision, on: "time" } : decision;
    }
    case "down":
    case "failed":
      return decideDown(state, machine, seen, now, rising);
    default:
      return machine.phase satisfies never;
  }
}

/** The machine is up; is it the right one, and does the gateway in it answer? */
function decideUp(state: InstanceState, machine: PresentMachine, seen: Observation, now: number): Decision {
  const rising = risingStatus(state);
  const update = updateIfOlder(state, machine, rising, now);
  if (update !== null) return update;
  const { gateway } = seen;
  switch (gateway.kind) {
    case "ready":
      return (
        candidateFirst(state, seen, now, "running") ??
        dropCandidate(state, "running") ??
        leftoverNext(state, seen, "running", now) ??
        secondLook(state, seen, "running") ??
        settledWithLeftovers(state, "running", "the gateway answers ready", true)
      );
    case "none":
      return waitForGateway(state, now, "the gateway was not asked", rising);
    case "unknown":
      return decideSilent(state, now, gateway.why);
    case "starting":
      return waitForGateway(state, now, `the gateway is starting (${gateway.stage})`, rising);
    case "degraded":
      if (gateway.stage === SEALED_STAGE && mayRekey(state)) {
        return step(
          { kind: "rekey" },
          "its environment can't be opened with the app's key",
          rising,
          state.lastError,
        );
      }
      return wait("time", now + RECHECK_MS, "the gateway is degraded", rising, {
        code: "gateway_degraded",
        message: `The gateway can't start: it failed at the stage "${gateway.stage}".`,
      });
    default:
      return gateway satisfies never;
  }
}

/** What the controller says when it can't open its environment (controller/sealed-env.ts). */
const SEALED_STAGE = "sealed_environment";

/** Once for each generation: a key that is right and does not open anything is not set again and again. */
function mayRekey({ ownApp, generation }: InstanceState): boolean {
  return ownApp !== null && ownApp.rekeyedFor !== generation;
}

/** An answer that did not come says nothing about a gateway that was ready before; silence that lasts does. */
function decideSilent(state: InstanceState, now: number, why: string): Decision {
  const silentSince = state.watched?.silentSince ?? now;
  if (now < silentSince + START_DEADLINE_MS) {
    if (state.status !== "running") return waitForGateway(state, now, why, risingStatus(state));
    return wait("time", now + RECHECK_MS, `unconfirmed: ${why}`, "running");
  }
  return wait("time", now + RECHECK_SLOW_MS, why, risingStatus(state), {
    code: "gateway_not_ready",
    message: `The machine is up, but its controller has been silent for ${START_DEADLINE_MS / MINUTE_MS} minutes.`,
  });
}

function waitForGateway(state: InstanceState, now: number, reason: string, status: Status): Decision {
  const deadline = startDeadline(state, now);
  if (now < deadline) return wait("gateway", deadline, reason, status);
  return wait("time", now + RECHECK_SLOW_MS, reason, status, {
    code: "gateway_not_ready",
    message: `The machine is up, but its gateway did not get ready in ${START_DEADLINE_MS / MINUTE_MS} minutes (${reason}).`,
  });
}

/** The machine is down though it is wanted: told first where it died, then brought up, within a bound. */
function decideDown(
  state: InstanceState,
  machine: PresentMachine,
  seen: Observation,
  now: number,
  rising: Status,
): Decision {
  const exit = machine.exit === null ? "" : ` (${machine.exit})`;
  if (state.status === "running") {
    const message = `The machine went down on its own${exit}; it is started again.`;
    return down({ kind: "mark_down", forgetId: false, code: "machine_stopped", message }, "stopped");
  }
  return (
    moveAway(state, machine, seen, now, rising) ??
    updateIfOlder(state, machine, rising, now) ??
    startAgain(state, machine, exit, now, rising)
  );
}

function startAgain(
  state: InstanceState,
  machine: PresentMachine,
  exit: string,
  now: number,
  rising: Status,
): Decision {
  const wentDown: Problem = {
    code: "machine_stopped",
    message: `The machine went down after it was brought up${exit}.`,
  };
  const problem = state.lastError ?? (state.bringUps.length === 0 ? null : wentDown);
  return (
    tooManyBringUps(state, now, exit, rising, problem) ??
    step(
      { kind: "start_machine", id: machine.id },
      `it is ${machine.flyState}${exit} and wanted`,
      rising,
      problem,
    )
  );
}

/** Why a machine that is down is not simply started: its volume is gone, it refuses for too long, or its host is full. */
function moveAway(
  state: InstanceState,
  machine: PresentMachine,
  seen: Observation,
  now: number,
  rising: Status,
): Decision | null {
  const { volume } = seen;
  if (volume.kind === "unknown") return unknown(volume, rising, now);
  if (volume.kind === "none") return unknown(VOLUME_NOT_ASKED, rising, now);
  if (volume.kind === "absent") return onLostVolume(state, machine, seen, now, rising);
  if (isRefusedForLong(state)) {
    const problem = wedged(machine.flyState);
    return destroyStale(state, machine, "it refuses to start", rising, now, problem);
  }
  const candidate = candidateFirst(state, seen, now, rising);
  if (candidate !== null) return candidate;
  if (state.candidate !== null) {
    return destroyStale(state, machine, "it moves to where there is room", rising, now);
  }
  if (!hasNoRoom(state) || !isHostFull(state, volume.region, now)) return null;
  return candidateElsewhere(state, now, rising, "its host has no room for it", null);
}

/** A mount can't be changed to another volume, so the machine goes before its lost volume is replaced. */
function onLostVolume(
  state: InstanceState,
  machine: PresentMachine,
  seen: Observation,
  now: number,
  rising: Status,
): Decision {
  const first = volumeFirst(state, seen, now, rising) ?? unknown(VOLUME_NOT_ASKED, rising, now);
  const isReplaced = first.kind === "step" && REPLACES_VOLUME.has(first.step.kind);
  return isReplaced ? destroyStale(state, machine, "its volume is gone", rising, now) : first;
}

const REPLACES_VOLUME: ReadonlySet<Step["kind"]> = new Set(["create_volume", "adopt_volume"]);

/** A machine of another generation than the wanted one takes over the wanted configuration, up or down. */
function updateIfOlder(
  state: InstanceState,
  machine: PresentMachine,
  rising: Status,
  now: number,
): Decision | null {
  if (machine.generation === null || machine.generation === state.generation) return null;
  // What a recovery could not read would be overwritten with nothing.
  if (state.settingsLost) return null;
  if (isRefusedForLong(state)) {
    return destroyStale(state, machine, "it refuses its update", rising, now, wedged(machine.flyState));
  }
  if (machine.phase === "up" && hasNoRoom(state)) {
    return step(
      { kind: "stop_machine", id: machine.id },
      "its host has no room for its update",
      rising,
      state.lastError,
    );
  }
  return (
    tooManyBringUps(state, now, "", rising, state.lastError) ??
    step(
      update(state, machine, false),
      `it has generation ${machine.generation}, ${state.generation} is wanted`,
      rising,
      state.lastError,
    )
  );
}

/** Whether the host of the volume had no room, more often than a short pause explains. */
function hasNoRoom(state: InstanceState): boolean {
  return state.capacityTries >= FULL_HOST_TRIES;
}

/** It keeps the size that it has, and the metadata that others gave it. */
function update(state: InstanceState, machine: PresentMachine, remounts: boolean): Step {
  const { id, metadata } = machine;
  const size = state.sizeWished ? state.machineSize : (machine.size ?? state.machineSize);
  return { kind: "update_machine", id, generation: state.generation, size, metadata, remounts };
}

/**
 * A wrong mount: stop, update, start. Fly does not let an update change the volume itself (fly-machines-api.md §4.4), so a
 * machine that stays wrong after one is destroyed and made anew on the right volume.
 */
function setMountRight(
  state: InstanceState,
  machine: PresentMachine,
  seen: Observation,
  now: number,
  rising: Status,
): Decision | null {
  const { mount } = machine;
  if (mount !== null && mount.isRightPath && isOurVolume(state, mount.volumeId)) return null;
  const { volume } = seen;
  if (volume.kind === "unknown") return unknown(volume, rising, now);
  if (volume.kind === "absent") return onLostVolume(state, machine, seen, now, rising);
  const problem: Problem = {
    code: "mount_wrong",
    message: "The machine did not have its volume where it belongs.",
  };
  switch (machine.phase) {
    case "launching":
    case "starting":
    case "up":
      return step({ kind: "stop_machine", id: machine.id }, "its mount is wrong", rising, problem);
    case "down":
    case "failed":
      if (state.machine?.remounted === true) {
        return destroyStale(state, machine, "its mount stays wrong", rising, now, problem);
      }
      return step(update(state, machine, true), "its mount is wrong", rising, problem);
    case "stopping":
    case "replacing":
    case "destroying":
      return null;
    default:
      return machine.phase satisfies never;
  }
}

function createMachine(state: InstanceState, seen: Observation, now: number, rising: Status): Decision {
  const left = leftoverNext(state, seen, rising, now);
  if (left !== null) return left;
  const place = placeFor(state, seen, now, rising);
  if (place.kind === "first") return place.decision;
  const { volume } = place;
  if (volume.id !== state.candidate?.id) {
    const elsewhere = placeElsewhere(state, volume, now, rising);
    if (elsewhere !== null) return elsewhere;
  }
  const held = decideHolder(volume, now, rising);
  if (held !== null) return held;
  return (
    tooManyBringUps(state, now, "", rising, state.lastError) ??
    step(
      {
        kind: "create_machine",
        name: machineNameOf(state.sandboxId, state.machineNames),
        region: volume.region,
        volumeId: volume.id,
      },
      "a machine is wanted and there is none",
      rising,
      state.lastError,
    )
  );
}

/** Why a machine can't be made where the volume is, and what is made elsewhere instead. */
function placeElsewhere(
  state: InstanceState,
  volume: PresentVolume,
  now: number,
  rising: Status,
): Decision | null {
  if (!volume.isReachable) {
    return volume.snapshot === null && volume.hasData
      ? waitForHost(rising, now)
      : candidateElsewhere(state, now, rising, "the volume's host is away", volume.snapshot);
  }
  const { lastError } = state;
  const isClaimed = lastError?.code === "volume_busy" && lastError.attempts >= CLAIM_REFUSALS_MAX;
  if (volume.holder?.is === "given_up" || (isClaimed && volume.holder?.is !== "stranger")) {
    return candidateElsewhere(
      state,
      now,
      rising,
      "a machine that is gone, or can't be destroyed, holds the volume",
      null,
    );
  }
  if (state.capacityTries > 0 && isHostFull(state, volume.region, now)) {
    return candidateElsewhere(state, now, rising, "the volume's host has no room", null);
  }
  return null;
}

function decideHolder({ holder }: PresentVolume, now: number, rising: Status): Decision | null {
  if (holder === null) return null;
  switch (holder.is) {
    // Fly names a holder for minutes after it is gone; whether it still counts, the create will tell.
    case "gone":
    case "given_up":
      return null;
    case "ours":
      return step({ kind: "note_machine", id: holder.id }, "it holds the volume", rising);
    case "unknown":
      return unknown({ code: "fly_unreachable", why: "Fly does not tell who holds the volume" }, rising, now);
    case "stranger":
      return wait("time", now + RECHECK_MS, "somebody else's machine holds the volume", rising, {
        code: "volume_busy",
        message: `The volume is bound to machine ${holder.id}, which is not this instance's.`,
      });
    default:
      return holder.is satisfies never;
  }
}

/** A host that stays away is given up, with its data taken from elsewhere; without a copy of the data it is waited for. */
function decideUnreachable(state: InstanceState, id: string, seen: Observation, now: number): Decision {
  const { volume } = seen;
  const rising = risingStatus(state);
  // Found by the name of an open create: its id is stored before anything is done about it.
  if (state.machine === null) return step({ kind: "note_machine", id }, "it has our name", rising, HOST_AWAY);
  const since = state.watched?.flyState === "unreachable" ? state.watched.since : now;
  if (now < since + HOST_DEADLINE_MS) {
    return wait("time", now + RECHECK_MS, "the machine's host is away", rising, HOST_AWAY);
  }
  if (volume.kind === "unknown") return unknown(volume, rising, now);
  // The stored one is gone, and this one is as far away as the machine: Fly moved both before it lost sight of them.
  if (volume.kind === "present" && volume.id !== state.volume?.id) {
    return volumeFirst(state, seen, now, rising) ?? waitForHost(rising, now);
  }
  if (volume.kind === "present" && !volume.isReachable && volume.snapshot === null && volume.hasData) {
    return waitForHost(rising, now);
  }
  // Fly is told first, so that it does not come back with its host.
  const isTold =
    state.accepted?.kind === "destroy_machine" || (state.machine?.destroysAsked ?? 0) >= DESTROYS_ASKED_MAX;
  return isTold
    ? giveUp(state, id, "its host stays away", rising, now, HOST_AWAY)
    : step({ kind: "destroy_machine", id }, "its host stays away", rising, HOST_AWAY);
}

/** While it comes up: `starting` for a user who asked, `recovering` when it is brought back by itself. */
function risingStatus(state: InstanceState): Status {
  return state.status === "stopped" || state.status === "recovering" || state.status === "running"
    ? "recovering"
    : "starting";
}
