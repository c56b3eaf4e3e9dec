import { notOurs, refused, step, unknown, waitForHost, wedged } from "../decisions.ts";
import type { Observation, PresentMachine } from "../observation.ts";
import { settledWithLeftovers } from "../patience.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision } from "../step.ts";
import { secondLook } from "./second-look.ts";
import { leftoverNext } from "./leftovers.ts";
import {
  absentMachine,
  between,
  destroyStale,
  followMigration,
  isRefusedForLong,
  verifyMachine,
} from "./machine.ts";
import { candidateFirst, dropCandidate, volumeFirst } from "./storage.ts";

/** Never starts anything. A volume is made once, at provision, so that there is a place for the data. */
export function decideStopped(state: InstanceState, seen: Observation, now: number): Decision {
  const atRest: Status = state.lastStartedAt === null && state.machine === null ? "provisioned" : "stopped";
  const { machine } = seen;
  switch (machine.kind) {
    case "unknown":
      return unknown(machine, state.status, now);
    case "unreachable":
      return waitForHost(state.status, now);
    case "none":
      return (
        volumeFirst(state, seen, now, atRest) ??
        heldByOurs(state, seen) ??
        rest(state, seen, now, atRest, "no machine is wanted")
      );
    case "absent":
      return absentMachine(state, seen, now, state.status, "stopped", "Fly no longer knows the machine.");
    case "present":
      break;
    default:
      return machine satisfies never;
  }
  if (!machine.ours) return refused(state.status, now, notOurs(machine.id));
  if (state.volume === null) {
    const first = volumeFirst(state, seen, now, state.status);
    if (first !== null) return first;
  }
  return (
    followMigration(state, machine, seen, state.status) ??
    verifyMachine(state, machine, state.status, now) ??
    bringDown(state, machine, seen, now)
  );
}

/** A machine of ours that no record knows runs on our volume: it is looked at, and stopped. */
function heldByOurs(state: InstanceState, { volume }: Observation): Decision | null {
  if (volume.kind !== "present" || volume.holder?.is !== "ours") return null;
  return step({ kind: "note_machine", id: volume.holder.id }, "it holds the volume", state.status);
}

function bringDown(state: InstanceState, machine: PresentMachine, seen: Observation, now: number): Decision {
  switch (machine.phase) {
    case "launching":
    case "starting":
    case "up":
      if (isRefusedForLong(state)) {
        return destroyStale(state, machine, "it refuses to stop", "stopping", now, wedged(machine.flyState));
      }
      return step(
        { kind: "stop_machine", id: machine.id },
        `it is ${machine.flyState} and not wanted`,
        "stopping",
        state.lastError,
      );
    case "stopping":
    case "replacing":
    case "destroying":
      return between(state, machine, "stopping", now);
    case "down":
    case "failed":
      return rest(state, seen, now, "stopped", "the machine is down, as wished");
    default:
      return machine.phase satisfies never;
  }
}

/** At rest, with what is not needed any more cleared away. */
function rest(
  state: InstanceState,
  seen: Observation,
  now: number,
  status: Status,
  reason: string,
): Decision {
  return (
    candidateFirst(state, seen, now, status) ??
    dropCandidate(state, status) ??
    leftoverNext(state, seen, status, now) ??
    secondLook(state, seen, status) ??
    settledWithLeftovers(state, status, reason, false)
  );
}
