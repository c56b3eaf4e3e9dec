import {
  down,
  HOST_AWAY,
  notOurs,
  RECHECK_MS,
  refused,
  step,
  unknown,
  wait,
  waitForHost,
  wedged,
} from "../decisions.ts";
import type { Observation, PresentMachine } from "../observation.ts";
import { HOST_DEADLINE_MS, mayRetryCreate, settledWithLeftovers, tooManyBringUps } from "../patience.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision, Problem } from "../step.ts";
import { candidateElsewhere, isHostFull } from "./capacity.ts";
import { hasNoRoom, onLostVolume, setMountRight, updateIfOlder } from "./configuration.ts";
import { createMachine } from "./create-machine.ts";
import { gatewayFirst } from "./gateway.ts";
import { leftoverNext } from "./leftovers.ts";
import { configurationFirst, renewIfUnsure } from "./live-settings.ts";
import {
  absentMachine,
  between,
  destroyStale,
  followMigration,
  giveUp,
  isRefusedForLong,
  verifyMachine,
} from "./machine.ts";
import { secondLook } from "./second-look.ts";
import { versionFirst } from "./version.ts";
import { candidateFirst, dropCandidate, VOLUME_NOT_ASKED, volumeFirst } from "./storage.ts";

const SECOND_MS = 1_000;
/** Destroys of a machine on a host that is away which nobody answered (fly-machines-api.md §4.11), after which it is given up. */
const DESTROYS_ASKED_MAX = 6;

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
  return (
    configurationFirst(state, machine, seen.gateway, now, rising) ??
    gatewayFirst(state, seen.gateway, now, rising) ??
    versionFirst(state, machine, now, "running") ??
    candidateFirst(state, seen, now, "running") ??
    dropCandidate(state, "running") ??
    leftoverNext(state, seen, "running", now) ??
    secondLook(state, seen, "running") ??
    settledWithLeftovers(state, "running", "the gateway answers ready", true)
  );
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
    renewIfUnsure(state, machine, rising) ??
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
  const mayHaveData = (volume.kind === "present" && volume.hasData) || state.volume?.hasData === true;
  if (volume.kind === "present" && !volume.isReachable && volume.snapshot === null && mayHaveData) {
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
