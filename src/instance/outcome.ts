import type { Observation } from "./observation.ts";
import { type InstanceState, type LastError, type ProblemCode, withStatus } from "./state.ts";
import type { Decision, Step } from "./step.ts";

const HOUR_MS = 3_600_000;
/** The pause after a failed step: it doubles from the first to the last of these. */
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;

/** What a step did to the world, or that nobody knows. */
export type Outcome =
  | { kind: "done" }
  | { kind: "volume_created"; id: string; region: string }
  | { kind: "machine_created"; id: string }
  /** The name is taken by a machine that Fly names: ours from a lost answer, or a stranger's. */
  | { kind: "name_taken"; machineId: string }
  | { kind: "no_capacity"; message: string }
  | { kind: "failed"; code: ProblemCode; message: string; retryAfterMs: number | null }
  /** No answer, or one that leaves open whether it took effect. */
  | { kind: "outcome_unknown"; message: string };

/** The longest that a create can be under way, as the client of Fly waits for it, and then some. */
const CREATE_MS_MAX = 45_000;
/** A fresh resource may not be visible at once (fly-machines-api.md F-05): so long its absence is not believed. */
export const VISIBILITY_GRACE_MS = 15_000;

/**
 * What must be stored before the step is performed: that it creates, and under which name. Should nobody live to see the
 * outcome, its absence is only believed when the create must be over and visible.
 */
export function beginStep(state: InstanceState, step: Step, now: number): InstanceState {
  const believeAbsentAt = now + CREATE_MS_MAX + VISIBILITY_GRACE_MS;
  switch (step.kind) {
    case "create_volume":
      return { ...state, creating: { kind: "volume", name: step.name, believeAbsentAt } };
    case "create_machine":
      return { ...state, creating: { kind: "machine", name: step.name, believeAbsentAt } };
    case "start_machine":
    case "adopt_volume":
    case "adopt_machine":
    case "update_machine":
    case "stop_machine":
    case "destroy_machine":
    case "delete_volume":
    case "clear_create":
    case "mark_down":
    case "erase":
      return state;
    default:
      return step satisfies never;
  }
}

/**
 * The record after a step, made from the record as it is by then: a newer intent that came meanwhile stays.
 * Null after `erase`: nothing is to be stored any more.
 */
export function applyOutcome(
  state: InstanceState,
  step: Step,
  outcome: Outcome,
  now: number,
): InstanceState | null {
  switch (outcome.kind) {
    case "failed":
      return failed(withoutOpenCreate(state, step), outcome.code, outcome.message, now, outcome.retryAfterMs);
    case "no_capacity": {
      const next = step.kind === "create_volume" ? withFullRegionLast(state) : state;
      return failed(withoutOpenCreate(next, step), "no_capacity", outcome.message, now, null);
    }
    case "outcome_unknown":
      return failed(withCreateOver(state, step, now), "fly_unreachable", outcome.message, now, null);
    case "name_taken":
      return withMachine(succeeded(state), outcome.machineId, now);
    case "machine_created":
      return withMachine(countBringUp(succeeded(state), now), outcome.id, now);
    case "volume_created":
      return withVolume(succeeded(state), outcome.id, outcome.region, now);
    case "done":
      return done(succeeded(state), step, now);
    default:
      return outcome satisfies never;
  }
}

function done(state: InstanceState, step: Step, now: number): InstanceState | null {
  switch (step.kind) {
    case "adopt_machine":
      return withMachine(state, step.id, now);
    case "adopt_volume":
      return withVolume(state, step.id, step.region, now);
    case "clear_create":
      return { ...state, creating: null };
    case "mark_down":
      return step.forgetId
        ? { ...state, machine: null, pendingDestroyMachineId: null, watched: null }
        : state;
    case "erase":
      return null;
    case "start_machine":
      return countBringUp(withAccepted(state, step, now), now);
    case "update_machine":
      // An update to what has been overtaken meanwhile is none to wait for.
      return step.generation === state.generation ? withAccepted(state, step, now) : state;
    case "stop_machine":
    case "destroy_machine":
      return withAccepted(state, step, now);
    case "create_volume":
    case "create_machine":
    case "delete_volume":
      return state;
    default:
      return step satisfies never;
  }
}

/** The record with what a decision tells the user: status, error, and the instants that follow from them. */
export function applyDecision(state: InstanceState, decision: Decision, now: number): InstanceState {
  const told = withStatus(state, decision.status, now);
  const { problem } = decision;
  if (decision.kind === "wait" && decision.failed && problem !== null) {
    return failed(told, problem.code, problem.message, now, null);
  }
  const rested = decision.kind === "settled" ? { ...told, failures: 0, retryAt: null } : told;
  const next = { ...rested, lastError: tellProblem(state, decision, now) };
  if (next.status === state.status) return next;
  if (next.status === "running") return { ...next, lastStartedAt: now };
  if (next.status === "stopped") return { ...next, lastStoppedAt: now };
  return next;
}

/**
 * What an observation adds to the record before anything is decided: that a fresh resource is visible, so that its absence is
 * believed from now on; since when the machine is in its state; and since when its controller is silent.
 */
export function noteSeen(state: InstanceState, seen: Observation, now: number): InstanceState {
  const { machine, volume, watched } = state;
  const isPresent = seen.machine.kind === "present";
  return {
    ...state,
    machine: machine !== null && isPresent ? { ...machine, seen: true } : machine,
    volume: volume !== null && seen.volume.kind === "present" ? { ...volume, seen: true } : volume,
    watched: seen.machine.kind === "present" ? watch(watched, seen.machine.flyState, seen, now) : watched,
  };
}

function watch(
  watched: InstanceState["watched"],
  flyState: string,
  { gateway }: Observation,
  now: number,
): InstanceState["watched"] {
  const known = watched?.flyState === flyState ? watched : null;
  const silentSince = gateway.kind === "unknown" ? (known?.silentSince ?? now) : null;
  return { flyState, since: known?.since ?? now, silentSince };
}

/** The same problem keeps the instant at which it was first seen. */
function tellProblem(state: InstanceState, decision: Decision, now: number): LastError | null {
  const { problem } = decision;
  if (problem === null) return null;
  const known = state.lastError;
  const same = known !== null && known.code === problem.code && known.message === problem.message;
  return {
    code: problem.code,
    message: problem.message,
    at: same ? known.at : now,
    nextTryAt: decision.kind === "wait" ? decision.until : null,
  };
}

function withMachine(state: InstanceState, id: string, now: number): InstanceState {
  return {
    ...state,
    machine: { id, createdAt: now, seen: false },
    watched: null,
    accepted: null,
    creating: state.creating?.kind === "machine" ? null : state.creating,
    pendingDestroyMachineId: state.intent === "destroyed" ? id : state.pendingDestroyMachineId,
  };
}

function withVolume(state: InstanceState, id: string, region: string, now: number): InstanceState {
  return {
    ...state,
    volume: { id, region, createdAt: now, seen: false },
    creating: state.creating?.kind === "volume" ? null : state.creating,
    pendingDestroyVolumeId: state.intent === "destroyed" ? id : state.pendingDestroyVolumeId,
  };
}

/** A create that nobody answered is over: what it made, if anything, shows within the grace. */
function withCreateOver(state: InstanceState, step: Step, now: number): InstanceState {
  if (state.creating === null || (step.kind !== "create_machine" && step.kind !== "create_volume"))
    return state;
  return { ...state, creating: { ...state.creating, believeAbsentAt: now + VISIBILITY_GRACE_MS } };
}

function withFullRegionLast(state: InstanceState): InstanceState {
  const [full, ...others] = state.regions;
  return full === undefined ? state : { ...state, regions: [...others, full] };
}

function withAccepted(state: InstanceState, step: Step, now: number): InstanceState {
  return { ...state, accepted: { kind: step.kind, at: now } };
}

/** A create that Fly refused left nothing behind, so there is no open outcome to resolve. */
function withoutOpenCreate(state: InstanceState, step: Step): InstanceState {
  return step.kind === "create_machine" || step.kind === "create_volume"
    ? { ...state, creating: null }
    : state;
}

function countBringUp(state: InstanceState, now: number): InstanceState {
  return { ...state, bringUps: [...state.bringUps.filter((at) => at > now - HOUR_MS), now] };
}

function succeeded(state: InstanceState): InstanceState {
  return { ...state, failures: 0, retryAt: null };
}

function failed(
  state: InstanceState,
  code: ProblemCode,
  message: string,
  now: number,
  retryAfterMs: number | null,
): InstanceState {
  const failures = state.failures + 1;
  const pause = Math.min(RETRY_MS_MIN * 2 ** Math.min(failures - 1, 10), RETRY_MS_MAX);
  const retryAt = now + Math.max(pause, Math.min(retryAfterMs ?? 0, RETRY_MS_MAX));
  const known = state.lastError;
  const at = known !== null && known.code === code && known.message === message ? known.at : now;
  return { ...state, failures, retryAt, lastError: { code, message, at, nextTryAt: retryAt } };
}
