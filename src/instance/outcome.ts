import { withApplied, withNotApplied, withoutTry, withRenewedGeneration, withTry } from "./applied.ts";
import {
  withAccepted,
  withCandidate,
  withCreatedMachine,
  withFull,
  countBringUp,
  withFound,
  withGivenUp,
  withLeftover,
  withLeftoverTried,
  withNextName,
  withNotedMachine,
  withOwnApp,
  withoutCandidate,
  withoutMachine,
  withVerified,
  withVolume,
} from "./changes.ts";
import { NOTHING_RAN, type ToldVersion, withQuestion, withRan } from "./ran.ts";
import { withRecovered } from "./recovered.ts";
import {
  type InstanceState,
  INVENTORY_AFTER_MS,
  type MachineSize,
  type ProblemCode,
  type Settings,
} from "./state.ts";
import type { Step } from "./step.ts";
import { failed, succeeded } from "./told.ts";
import { lossOf } from "./warning.ts";

/** Conflicts over a name whose holder nobody can see, after which the machine gets another name. */
const NAME_CONFLICTS_MAX = 4;

/** What a step did to the world, or that nobody knows. */
export type Outcome =
  | { kind: "done" }
  | { kind: "volume_created"; id: string; region: string }
  | { kind: "machine_created"; id: string }
  /** The name is taken by a machine that Fly names: ours from a lost answer, or a stranger's. */
  | { kind: "name_taken"; machineId: string }
  /** The name is taken, and Fly does not tell by whom. */
  | { kind: "name_conflict" }
  | { kind: "app_taken" }
  | { kind: "app_missing"; message: string }
  | { kind: "secret_set"; version: number }
  /** What was found in place of the lost record, as far as the machine tells. */
  | {
      kind: "recovered";
      settings: Settings | null;
      /** The key that the machine's environment is sealed with. */
      keyVersion: number | null;
      size: MachineSize | null;
      generation: number | null;
    }
  | { kind: "version_told"; version: ToldVersion }
  /** The controller took the settings; with `isInEffect` the gateway was seen to use them. */
  | { kind: "settings_taken"; how: "unchanged" | "hot" | "gateway_restart"; isInEffect: boolean }
  | { kind: "settings_refused"; message: string }
  /** A newer wish came before the answer of the controller did. */
  | { kind: "interrupted" }
  /** The controller did not answer. Nothing stands in anybody's way for that. */
  | { kind: "unanswered"; message: string }
  | { kind: "no_capacity"; message: string }
  | { kind: "failed"; code: ProblemCode; message: string; retryAfterMs: number | null }
  /** No answer, or one that leaves open whether it took effect. */
  | { kind: "outcome_unknown"; message: string };

type Creating = NonNullable<InstanceState["creating"]>;

/**
 * What must be stored before the step is performed: that it creates, and under which name. Should nobody live to see the
 * outcome, the name is looked up before anything else is made.
 */
export function beginStep(known: InstanceState, step: Step, now: number): InstanceState {
  const loss = lossOf(known, step);
  const told = loss === null ? known : { ...known, toldLossOf: loss.id };
  const state = withStepNoted(told, step, now);
  const kind = createdBy(step);
  if (kind === null) return state;
  const { creating } = state;
  const isRepeated = creating?.kind === kind;
  return {
    // Of a volume, only lists tell that an earlier create left nothing; names of machines are unique.
    ...withDoubt(state, isRepeated && kind !== "machine", now),
    creating: {
      kind,
      name: "name" in step ? step.name : state.appName,
      sentAt: now,
      earlierAt: isRepeated ? (creating.earlierAt ?? creating.sentAt) : null,
      empty: null,
      on: step.kind === "create_machine" ? step.volumeId : null,
      source: "source" in step ? step.source.kind : "empty",
    },
  };
}

/** What a step that makes nothing is known by before it is sent. */
function withStepNoted(state: InstanceState, step: Step, now: number): InstanceState {
  if (step.kind === "ask_version") return withQuestion(state, now);
  if (step.kind === "apply_settings") return withTry(state, step);
  // An update keeps the size that the machine has, unless another was wished.
  if (step.kind === "update_machine") return { ...state, machineSize: step.size };
  if (step.kind !== "delete_volume" || state.volume?.id !== step.id) return state;
  return { ...state, volume: { ...state.volume, deleted: true } };
}

function withDoubt(state: InstanceState, isNew: boolean, now: number): InstanceState {
  return isNew ? { ...state, doubtful: true, inventoryAt: now + INVENTORY_AFTER_MS } : state;
}

/** What a step makes at Fly; null for a step that makes nothing. */
export function createdBy({ kind }: Step): Creating["kind"] | null {
  return CREATED[kind] ?? null;
}

const CREATED: Partial<Record<Step["kind"], Creating["kind"]>> = {
  create_app: "app",
  create_volume: "volume",
  create_candidate: "candidate",
  create_machine: "machine",
};

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
      return step.kind === "delete_leftover"
        ? withLeftoverTried(state, step.left, now)
        : failed(withRefused(state, step), outcome, now);
    case "outcome_unknown":
      // A leftover has pauses of its own, and stands in nobody's way.
      return step.kind === "delete_leftover"
        ? withLeftoverTried(state, step.left, now)
        : failed(
            withAsked(state, step),
            { code: "fly_unreachable", message: outcome.message, retryAfterMs: null },
            now,
          );
    case "no_capacity":
      return withoutRoom(state, step, outcome.message, now);
    case "name_taken":
      return withNameTaken(state, step, outcome.machineId, now);
    case "name_conflict":
      return withNameConflict(state, now);
    case "app_taken":
      return withAppTaken(state, now);
    case "app_missing":
      return failed(
        withOwnApp(withRefused(state, step), { stage: "wanted", secretsVersion: null }),
        { code: "fly_refused", message: outcome.message, retryAfterMs: null },
        now,
      );
    case "secret_set":
      return withOwnApp(succeeded(state), { stage: "ready", secretsVersion: outcome.version });
    case "recovered":
      return step.kind === "recover" ? withRecovered(succeeded(state), step, outcome, now) : state;
    case "version_told":
      return step.kind === "ask_version" ? withRan(state, step, outcome.version, now) : state;
    case "settings_taken":
      if (step.kind !== "apply_settings") return state;
      if (outcome.isInEffect) return withApplied(state, step);
      // A gateway that has just begun, with these very settings, may be late to say so.
      return outcome.how === "unchanged" ? state : withNotApplied(state, step);
    case "settings_refused":
      return step.kind === "apply_settings" ? withNotApplied(state, step) : state;
    case "interrupted":
      return step.kind === "apply_settings" ? withoutTry(state, step) : state;
    case "unanswered":
      return state;
    case "machine_created":
      return step.kind === "create_machine"
        ? withCreatedMachine(succeeded(state), step.volumeId, outcome.id, now)
        : state;
    case "volume_created":
      return withCreatedVolume(succeeded(state), step, outcome.id, outcome.region, now);
    case "done":
      return done(succeeded(state), step, now);
    default:
      return outcome satisfies never;
  }
}

function done(state: InstanceState, step: Step, now: number): InstanceState | null {
  switch (step.kind) {
    case "create_app":
    case "adopt_app":
      return withOwnApp({ ...state, creating: null, nameConflicts: 0 }, { stage: "created", madeAt: now });
    case "rename_app":
      return {
        ...withOwnApp(state, { renames: step.renames }),
        appName: step.name,
        recovery: state.recovery === null ? null : { ...state.recovery, appSearched: step.isSearched },
        creating: null,
        nameConflicts: 0,
      };
    case "assign_address":
      return withOwnApp(state, step.type === "v6" ? { hasV6: true } : { hasV4: true });
    case "rekey":
      return withOwnApp(withRenewedGeneration(state), { stage: "created", rekeyedFor: state.generation + 1 });
    case "renew_generation":
      return withRenewedGeneration(state);
    case "adopt_machine":
      return withVerified(state, step, now);
    case "note_machine":
      return withNotedMachine(state, step.id, now);
    case "forget_machine":
      return withoutMachine(state);
    case "adopt_volume":
      return withVolume(state, step, state.volume?.sizeGb ?? step.sizeGb, now);
    case "adopt_candidate": {
      const { id, region, sizeGb } = step;
      return withCandidate(
        state,
        { id, region, sizeGb, isOlderCopy: state.creating?.source === "snapshot" },
        now,
      );
    }
    case "drop_candidate":
      return withoutCandidate(state, now);
    case "clear_create":
      return withDoubt({ ...state, creating: null }, state.creating?.kind !== "machine", now);
    case "mark_down":
      return withMarkedDown(state, step, now);
    case "start_machine":
      return countBringUp(withAccepted({ ...state, ...NOTHING_RAN, capacityTries: 0 }, step, now), now);
    case "update_machine":
      return withUpdated(state, step, now);
    case "stop_machine":
    case "destroy_machine":
    case "delete_volume":
    case "delete_app":
      return withAccepted(state, step, now);
    case "give_up_machine":
      return withGivenUp(state, step.id, now);
    case "note_leftovers":
      return step.found.reduce<InstanceState>((next, left) => withLeftover(next, left, now), {
        ...state,
        swept: null,
      });
    case "note_found":
      return withFound({ ...state, inventoryAt: null }, step.found, now);
    case "postpone_inventory":
      return { ...state, inventoryAt: now + INVENTORY_AFTER_MS };
    case "delete_leftover":
    case "postpone_leftover":
      return withLeftoverTried(state, step.left, now);
    case "forget_leftover":
      return { ...state, leftovers: state.leftovers.filter(({ id }) => id !== step.left.id) };
    case "erase":
      return null;
    case "set_secret":
    case "recover":
    case "create_volume":
    case "create_candidate":
    case "create_machine":
    case "ask_version":
    case "apply_settings":
      return state;
    default:
      return step satisfies never;
  }
}

function withCreatedVolume(
  state: InstanceState,
  step: Step,
  id: string,
  region: string,
  now: number,
): InstanceState {
  if (step.kind === "create_volume") {
    return withVolume(state, { id, region, hasData: step.source.kind !== "empty" }, step.sizeGb, now);
  }
  if (step.kind === "create_candidate") {
    const isOlderCopy = step.source.kind === "snapshot";
    return withCandidate(state, { id, region, sizeGb: step.sizeGb, isOlderCopy }, now);
  }
  return state;
}

/** The holder of our name is stored first, and looked at then; one that was given up keeps the name, so another is taken. */
function withNameTaken(state: InstanceState, step: Step, id: string, now: number): InstanceState {
  const next = withRefused(state, step);
  const isGivenUp = state.leftovers.some((left) => left.id === id && !left.isKept);
  return isGivenUp ? withNextName(succeeded(next)) : withNotedMachine({ ...next, retryAt: null }, id, now);
}

/** Nobody knows who has the name: it is looked up, as the create stays open, and left to its holder in the end. */
function withNameConflict(state: InstanceState, now: number): InstanceState {
  const conflicted = { ...state, nameConflicts: state.nameConflicts + 1 };
  const named = conflicted.nameConflicts >= NAME_CONFLICTS_MAX ? withNextName(conflicted) : conflicted;
  const message = "The machine's name is taken by one that Fly does not show.";
  return failed(named, { code: "name_taken", message, retryAfterMs: null }, now);
}

function withAppTaken(state: InstanceState, now: number): InstanceState {
  const { creating } = state;
  // This create made nothing; an earlier one that nobody answered may have, so the name is looked at.
  const looked = creating === null ? null : { ...creating, sentAt: creating.earlierAt ?? 0, earlierAt: null };
  return failed(
    {
      ...state,
      nameConflicts: state.nameConflicts + 1,
      // What was made before is only not visible yet.
      creating: state.ownApp?.stage === "wanted" ? looked : null,
    },
    { code: "app_name_taken", message: "The name of the tenant's app is taken.", retryAfterMs: null },
    now,
  );
}

function withMarkedDown(
  state: InstanceState,
  { forgetId, code }: Extract<Step, { kind: "mark_down" }>,
  now: number,
): InstanceState {
  if (!forgetId) return state;
  const next = withoutMachine(state);
  return code === "name_taken" ? withNameConflict({ ...next, failures: state.nameConflicts }, now) : next;
}

function withUpdated(
  state: InstanceState,
  step: Extract<Step, { kind: "update_machine" }>,
  now: number,
): InstanceState {
  const { machine } = state;
  const next: InstanceState = {
    ...countBringUp(state, now),
    ...NOTHING_RAN,
    machine: machine === null ? null : { ...machine, remounted: machine.remounted || step.remounts },
    sizeWished: false,
    capacityTries: 0,
  };
  // An update to what has been overtaken meanwhile is none to wait for.
  return step.generation === state.generation ? withAccepted(next, step, now) : next;
}

/** The place where there was no room goes last for a while; a candidate that no machine fits on is of no use. */
function withoutRoom(state: InstanceState, step: Step, message: string, now: number): InstanceState {
  const next = { ...withRefused(state, step), capacityTries: state.capacityTries + 1 };
  const failure = { code: "no_capacity", message, retryAfterMs: null } as const;
  if (step.kind === "create_volume" || step.kind === "create_candidate") {
    return failed(withFull(next, step.region, "region", now), failure, now);
  }
  if (step.kind === "create_machine") {
    return step.volumeId === state.candidate?.id
      ? failed(withoutCandidate(withFull(next, step.region, "region", now), now), failure, now)
      : failed(withFull(next, step.region, "host", now), failure, now);
  }
  return failed(
    state.volume === null ? next : withFull(next, state.volume.region, "host", now),
    failure,
    now,
  );
}

/** A create that Fly refused left nothing behind; an earlier one under the same name may have. */
function withRefused(state: InstanceState, step: Step): InstanceState {
  const { creating, machine } = state;
  // What could not even be sent says nothing of the controller.
  if (step.kind === "apply_settings") return withoutTry(state, step);
  if (step.kind === "update_machine" && step.remounts && machine !== null) {
    return { ...state, machine: { ...machine, remounted: true } };
  }
  if (creating === null || createdBy(step) !== creating.kind) return state;
  if (creating.earlierAt === null) return { ...state, creating: null };
  return { ...state, creating: { ...creating, sentAt: creating.earlierAt, earlierAt: null } };
}

/** How often a destroy was asked for that nobody answered. */
function withAsked(state: InstanceState, step: Step): InstanceState {
  const { machine } = state;
  if (step.kind !== "destroy_machine" || machine === null) return state;
  return { ...state, machine: { ...machine, destroysAsked: machine.destroysAsked + 1 } };
}
