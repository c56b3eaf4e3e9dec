import type { Observation } from "./observation.ts";
import { CREATE_SHOWS_MS, VISIBILITY_GRACE_MS } from "./patience.ts";
import {
  type Empty,
  type InstanceState,
  type LastError,
  type Leftover,
  LEFTOVERS_MAX,
  type MachineSize,
  type ProblemCode,
  type Settings,
  withStatus,
} from "./state.ts";
import type { Decision, KnownVolume, Left, Step } from "./step.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** The pause after a failed step: it doubles from the first to the last of these. */
const RETRY_MS_MIN = SECOND_MS;
const RETRY_MS_MAX = MINUTE_MS;
/** A region that had no room goes last for so long. */
const FULL_MS = 10 * MINUTE_MS;
/** Pauses between deletions of a leftover: Fly may keep a volume bound for two minutes (fly-machines-api.md §6.5). */
const LEFTOVER_RETRY_MS_MIN = 5 * SECOND_MS;
const LEFTOVER_RETRY_MS_MAX = 10 * MINUTE_MS;
/** A volume whose newest data only a snapshot stood in for is kept as long as Fly keeps a migrated one. */
const KEPT_VOLUME_MS = 7 * DAY_MS;
/** Between two looks of one row: an alarm's longest pause in a transition, and some. */
const EMPTY_GAP_MS = 100 * SECOND_MS;
/** What a recovery found beside what it needs is kept as long as the instance. */
const NEVER = Number.MAX_SAFE_INTEGER;
/** Conflicts over a name whose holder nobody can see, after which the machine gets another name. */
const NAME_CONFLICTS_MAX = 4;

/** What a step did to the world, or that nobody knows. */
export type Outcome =
  | { kind: "done" }
  | { kind: "volume_created"; id: string; region: string }
  | { kind: "machine_created"; id: string }
  /** The name is taken by a machine that Fly names: ours from a lost answer, or a stranger's. */
  | { kind: "name_taken"; machineId: string }
  | { kind: "app_taken" }
  | { kind: "app_missing"; message: string }
  | { kind: "secret_set"; version: number }
  /** What was found in place of the lost record, as far as the machine tells. */
  | { kind: "recovered"; settings: Settings | null; size: MachineSize | null; generation: number | null }
  | { kind: "no_capacity"; message: string }
  | { kind: "failed"; code: ProblemCode; message: string; retryAfterMs: number | null }
  /** No answer, or one that leaves open whether it took effect. */
  | { kind: "outcome_unknown"; message: string };

type Creating = NonNullable<InstanceState["creating"]>;

/**
 * What must be stored before the step is performed: that it creates, and under which name. Should nobody live to see the
 * outcome, the name is looked up before anything else is made.
 */
export function beginStep(state: InstanceState, step: Step, now: number): InstanceState {
  const kind = createdBy(step);
  if (kind === null) return state;
  const name = "name" in step ? step.name : state.appName;
  const { creating } = state;
  const isRepeated = creating?.kind === kind;
  return {
    ...state,
    // Of a volume, only lists tell that an earlier create left nothing; names of machines are unique.
    doubtful: state.doubtful || (isRepeated && kind !== "machine"),
    creating: {
      kind,
      name,
      sentAt: now,
      earlierAt: isRepeated ? (creating.earlierAt ?? creating.sentAt) : null,
      empty: null,
      on: step.kind === "create_machine" ? step.volumeId : null,
      source: "source" in step ? step.source.kind : "empty",
    },
  };
}

/** What a step makes at Fly; null for a step that makes nothing. */
export function createdBy(step: Step): Creating["kind"] | null {
  switch (step.kind) {
    case "create_app":
      return "app";
    case "create_volume":
      return "volume";
    case "create_candidate":
      return "candidate";
    case "create_machine":
      return "machine";
    case "adopt_app":
    case "rename_app":
    case "assign_address":
    case "set_secret":
    case "delete_app":
    case "recover":
    case "adopt_volume":
    case "adopt_candidate":
    case "drop_candidate":
    case "adopt_machine":
    case "note_machine":
    case "update_machine":
    case "start_machine":
    case "stop_machine":
    case "destroy_machine":
    case "give_up_machine":
    case "delete_volume":
    case "note_leftovers":
    case "delete_leftover":
    case "postpone_leftover":
    case "forget_leftover":
    case "clear_create":
    case "mark_down":
    case "erase":
      return null;
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
      // A leftover has pauses of its own, and stands in nobody's way.
      return step.kind === "delete_leftover"
        ? withLeftoverTried(state, step.left, now)
        : failed(withCreateRefused(state, step), outcome, now);
    case "no_capacity":
      return withoutRoom(state, step, outcome.message, now);
    case "outcome_unknown":
      return step.kind === "delete_leftover"
        ? withLeftoverTried(state, step.left, now)
        : failed(state, { code: "fly_unreachable", message: outcome.message, retryAfterMs: null }, now);
    case "name_taken":
      return withNameTaken(state, step, outcome.machineId, now);
    case "app_taken":
      return failed(
        {
          ...state,
          nameConflicts: state.nameConflicts + 1,
          // What was made before is only not visible yet.
          creating: state.ownApp?.stage === "wanted" ? state.creating : null,
        },
        { code: "app_name_taken", message: "The name of the tenant's app is taken.", retryAfterMs: null },
        now,
      );
    case "app_missing":
      return failed(
        withOwnApp(withCreateRefused(state, step), { stage: "wanted", secretsVersion: null }),
        { code: "fly_refused", message: outcome.message, retryAfterMs: null },
        now,
      );
    case "secret_set":
      return withOwnApp(succeeded(state), { stage: "ready", secretsVersion: outcome.version });
    case "recovered":
      return step.kind === "recover" ? withRecovered(succeeded(state), step, outcome, now) : state;
    case "machine_created":
      return withCreatedMachine(state, step, outcome.id, now);
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
      return withOwnApp({ ...state, creating: null, nameConflicts: 0 }, { stage: "created" });
    case "adopt_machine":
      return withVerified(state, step, now);
    case "note_machine":
      return withNotedMachine(state, step.id, now);
    case "adopt_volume":
      return withVolume(state, step, now);
    case "adopt_candidate":
      return withCandidate(state, step.id, step.region, now);
    case "drop_candidate":
      return withoutCandidate(state, now);
    case "clear_create":
      return { ...state, creating: null, doubtful: state.doubtful || state.creating?.kind !== "machine" };
    case "mark_down":
      return withMarkedDown(state, step, now);
    case "start_machine":
      return countBringUp(withAccepted({ ...state, capacityTries: 0 }, step, now), now);
    case "update_machine":
      return withUpdated(state, step, now);
    case "stop_machine":
    case "destroy_machine":
    case "delete_app":
      return withAccepted(state, step, now);
    case "give_up_machine":
      return withGivenUp(state, step.id, now);
    case "note_leftovers":
      return step.found.reduce<InstanceState>((next, left) => withLeftover(next, left, now), {
        ...state,
        swept: null,
      });
    case "delete_leftover":
    case "postpone_leftover":
      return withLeftoverTried(state, step.left, now);
    case "forget_leftover":
      return { ...state, leftovers: state.leftovers.filter(({ id }) => id !== step.left.id) };
    case "rename_app":
      return withAppRenamed(state, step.renames, step.name);
    case "erase":
      return null;
    case "assign_address":
    case "set_secret":
    case "recover":
    case "create_volume":
    case "create_candidate":
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
    return failed(told, { ...problem, retryAfterMs: null }, now);
  }
  const rested =
    decision.kind === "settled" ? { ...told, failures: 0, capacityTries: 0, retryAt: null } : told;
  const next = { ...rested, lastError: tellProblem(state, decision, now) };
  if (next.status === state.status) return next;
  if (next.status === "running") return { ...next, lastStartedAt: now };
  if (next.status === "stopped") return { ...next, lastStoppedAt: now };
  return next;
}

/**
 * What an observation adds to the record before anything is decided: what is visible, so that its absence is believed from
 * now on; since when something is looked for in vain; since when the machine is in its state, and its controller silent.
 */
export function noteSeen(state: InstanceState, seen: Observation, now: number): InstanceState {
  const { machine, volume, candidate, creating, recovery } = state;
  const isThere = seen.machine.kind === "present" || seen.machine.kind === "unreachable";
  return {
    ...state,
    machine: machine !== null && isThere ? { ...machine, seen: true } : machine,
    volume: volume === null ? null : noteVolume(volume, seen, now),
    candidate:
      candidate !== null && seen.candidate.kind === "present" ? { ...candidate, seen: true } : candidate,
    creating: creating === null ? null : noteCreating(creating, seen),
    recovery: recovery === null ? null : { ...recovery, empty: noteInventory(recovery.empty, seen) },
    swept: state.intent === "destroyed" ? noteInventory(state.swept, seen) : state.swept,
    watched: watch(state.watched, seen, now),
  };
}

function noteVolume(
  known: NonNullable<InstanceState["volume"]>,
  { volume, machine }: Observation,
  now: number,
): NonNullable<InstanceState["volume"]> {
  const isMounted = machine.kind === "present" && machine.ours && machine.mount?.volumeId === known.id;
  const hasData = known.hasData || isMounted;
  switch (volume.kind) {
    case "none":
    case "unknown":
      return { ...known, hasData };
    case "absent":
      return { ...known, hasData, missingSince: known.missingSince ?? now };
    case "present":
      return volume.id === known.id
        ? {
            ...known,
            region: volume.region === "" ? known.region : volume.region,
            seen: true,
            missingSince: null,
            hasData: hasData || volume.hasData,
          }
        : { ...known, hasData };
    default:
      return volume satisfies never;
  }
}

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

/** Looks that are too far apart may each have met a list that was wrong, so they begin anew. */
function noteEmpty(empty: Empty, isEmpty: boolean, askedAt: number): Empty {
  if (!isEmpty) return null;
  if (empty === null || askedAt > empty.at + EMPTY_GAP_MS) return { looks: 1, since: askedAt, at: askedAt };
  return { looks: empty.looks + 1, since: empty.since, at: askedAt };
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
    attempts: same ? known.attempts : 1,
    nextTryAt: decision.kind === "wait" ? decision.until : null,
  };
}

/** Metadata and mount are right; with the candidate mounted, that is the instance's volume from here on. */
function withVerified(
  state: InstanceState,
  { id, volumeId, size }: Extract<Step, { kind: "adopt_machine" }>,
  now: number,
): InstanceState {
  const known = state.machine?.id === id ? state.machine : newMachine(id, now);
  return withMounted(
    {
      ...state,
      machine: { ...known, verified: true },
      machineSize: size ?? state.machineSize,
      creating: state.creating?.kind === "machine" ? null : state.creating,
      nameConflicts: 0,
      pendingDestroyMachineId: state.intent === "destroyed" ? id : state.pendingDestroyMachineId,
    },
    volumeId,
    now,
  );
}

function withCreatedMachine(state: InstanceState, step: Step, id: string, now: number): InstanceState {
  const made = {
    ...countBringUp(succeeded(state), now),
    capacityTries: 0,
    nameConflicts: 0,
    machine: { ...newMachine(id, now), verified: true },
    watched: null,
    accepted: null,
    creating: null,
    pendingDestroyMachineId: state.intent === "destroyed" ? id : state.pendingDestroyMachineId,
  };
  return step.kind === "create_machine" ? withMounted(made, step.volumeId, now) : made;
}

/** A machine that is to be looked at: whose it is, and what it mounts, is not known yet. An open create stays open. */
function withNotedMachine(state: InstanceState, id: string, now: number): InstanceState {
  return {
    ...state,
    machine: state.machine?.id === id ? state.machine : newMachine(id, now),
    watched: null,
    accepted: null,
    pendingDestroyMachineId: state.intent === "destroyed" ? id : state.pendingDestroyMachineId,
  };
}

/** The holder of our name is stored first, and looked at then; one that was given up keeps the name, so another is taken. */
function withNameTaken(state: InstanceState, step: Step, id: string, now: number): InstanceState {
  const next = withCreateRefused(state, step);
  const isGivenUp = state.leftovers.some((left) => left.id === id);
  return isGivenUp ? withNextName(succeeded(next)) : withNotedMachine({ ...next, retryAt: null }, id, now);
}

/**
 * The record as a pass takes it up: a create of a machine whose outcome is not known may have made one, which may have written to
 * the volume it was to be made on.
 */
export function takenUp(state: InstanceState, now: number): InstanceState {
  const { creating } = state;
  return creating === null || creating.on === null ? state : withMounted(state, creating.on, now);
}

/** A machine runs on this volume: from here on it has data, and the one that it took the place of is kept until that is ready. */
function withMounted(state: InstanceState, volumeId: string, now: number): InstanceState {
  const { volume, candidate } = state;
  if (candidate?.id !== volumeId) {
    return volume?.id === volumeId ? { ...state, volume: { ...volume, hasData: true } } : state;
  }
  const { isOlderCopy, ...place } = candidate;
  const promoted: InstanceState = {
    ...state,
    candidate: null,
    volume: { ...place, hasData: true, missingSince: null },
    pendingDestroyVolumeId: state.intent === "destroyed" ? candidate.id : state.pendingDestroyVolumeId,
  };
  if (volume === null) return promoted;
  const notBefore = isOlderCopy ? now + KEPT_VOLUME_MS : now;
  return withLeftover(promoted, { kind: "volume", id: volume.id }, now, { notBefore, whenReady: true });
}

function withCreatedVolume(
  state: InstanceState,
  step: Step,
  id: string,
  region: string,
  now: number,
): InstanceState {
  if (step.kind === "create_volume") {
    return withVolume(state, { id, region, hasData: step.source.kind !== "empty" }, now);
  }
  if (step.kind === "create_candidate") {
    return withCandidate(state, id, region, now, step.source.kind === "snapshot");
  }
  return state;
}

function withVolume(state: InstanceState, { id, region, hasData }: KnownVolume, now: number): InstanceState {
  return {
    ...state,
    volume: { id, region, createdAt: now, seen: false, hasData, missingSince: null },
    leftovers: state.leftovers.filter((left) => left.id !== id),
    creating: state.creating?.kind === "volume" ? null : state.creating,
    pendingDestroyVolumeId: state.intent === "destroyed" ? id : state.pendingDestroyVolumeId,
  };
}

function withCandidate(
  state: InstanceState,
  id: string,
  region: string,
  now: number,
  isOlderCopy = state.creating?.source === "snapshot",
): InstanceState {
  return {
    ...state,
    candidate: { id, region, createdAt: now, seen: false, isOlderCopy },
    creating: state.creating?.kind === "candidate" ? null : state.creating,
  };
}

function withoutCandidate(state: InstanceState, now: number): InstanceState {
  const { candidate } = state;
  if (candidate === null) return state;
  const visibleFrom = candidate.seen ? now : candidate.createdAt + VISIBILITY_GRACE_MS;
  return withLeftover({ ...state, candidate: null }, { kind: "volume", id: candidate.id }, now, {
    visibleFrom,
  });
}

function withMarkedDown(
  state: InstanceState,
  { forgetId, code }: Extract<Step, { kind: "mark_down" }>,
  now: number,
): InstanceState {
  if (!forgetId) return state;
  const next: InstanceState = {
    ...state,
    machine: null,
    pendingDestroyMachineId: null,
    watched: null,
    accepted: null,
  };
  if (code !== "name_taken") return next;
  const conflicted = { ...next, nameConflicts: state.nameConflicts + 1, failures: state.nameConflicts };
  const named = conflicted.nameConflicts >= NAME_CONFLICTS_MAX ? withNextName(conflicted) : conflicted;
  const message = "The machine's name is taken by one that Fly does not know.";
  return failed(named, { code, message, retryAfterMs: null }, now);
}

function withUpdated(
  state: InstanceState,
  step: Extract<Step, { kind: "update_machine" }>,
  now: number,
): InstanceState {
  const { machine } = state;
  const next: InstanceState = {
    ...state,
    machine: machine === null ? null : { ...machine, remounted: machine.remounted || step.remounts },
    capacityTries: 0,
  };
  // An update to what has been overtaken meanwhile is none to wait for.
  return step.generation === state.generation ? withAccepted(next, step, now) : next;
}

/** The machine stays to be destroyed when Fly can; its name is not free, so the next one has another. */
function withGivenUp(state: InstanceState, id: string, now: number): InstanceState {
  const left = withLeftover(state, { kind: "machine", id }, now);
  return withNextName({
    ...left,
    machine: null,
    watched: null,
    accepted: null,
    pendingDestroyMachineId: null,
  });
}

function withNextName(state: InstanceState): InstanceState {
  return { ...state, machineNames: state.machineNames + 1, nameConflicts: 0 };
}

function withAppRenamed(state: InstanceState, renames: number, appName: string): InstanceState {
  return { ...withOwnApp(state, { renames }), appName, creating: null, nameConflicts: 0 };
}

function withOwnApp(
  state: InstanceState,
  fields: Partial<NonNullable<InstanceState["ownApp"]>>,
): InstanceState {
  return state.ownApp === null ? state : { ...state, ownApp: { ...state.ownApp, ...fields } };
}

/** What was found; where nobody said what the machine is to run, it is left as it runs. */
function withRecovered(
  state: InstanceState,
  step: Extract<Step, { kind: "recover" }>,
  { settings, size, generation }: Extract<Outcome, { kind: "recovered" }>,
  now: number,
): InstanceState {
  const { machineId, volume, intent } = step;
  const known = settings === null ? state.settings : fillSettings(state.settings, settings);
  const isChanged = settings !== null && JSON.stringify(known) !== JSON.stringify(settings);
  const found: InstanceState = {
    ...state,
    recovery: null,
    doubtful: true,
    settings: known,
    machineSize: size ?? state.machineSize,
    generation: (generation ?? state.generation) + (isChanged ? 1 : 0),
    // A wish that came meanwhile stands.
    intent: state.recovery?.adoptsIntent === true ? (intent ?? state.intent) : state.intent,
    machine: machineId === null ? null : { ...newMachine(machineId, now), seen: true },
    volume:
      volume === null
        ? null
        : {
            ...volume,
            createdAt: now,
            seen: true,
            missingSince: null,
            region: volume.region || (state.regions[0] ?? ""),
          },
    pendingDestroyMachineId: state.intent === "destroyed" ? machineId : null,
    pendingDestroyVolumeId: state.intent === "destroyed" ? (volume?.id ?? null) : null,
  };
  // Others of this instance are reported and kept, until everything is to go.
  return step.others.reduce<InstanceState>(
    (next, left) => withLeftover(next, left, now, { notBefore: NEVER }),
    found,
  );
}

/** What a newer wish says stands; what it leaves open is as the machine had it. */
function fillSettings(wished: Settings, had: Settings): Settings {
  return {
    envVars: { ...had.envVars, ...wished.envVars },
    kilocodeApiKey: wished.kilocodeApiKey ?? had.kilocodeApiKey,
    kilocodeDefaultModel: wished.kilocodeDefaultModel ?? had.kilocodeDefaultModel,
    channels: {
      telegramBotToken: wished.channels.telegramBotToken ?? had.channels.telegramBotToken,
      discordBotToken: wished.channels.discordBotToken ?? had.channels.discordBotToken,
      slackBotToken: wished.channels.slackBotToken ?? had.channels.slackBotToken,
      slackAppToken: wished.channels.slackAppToken ?? had.channels.slackAppToken,
    },
  };
}

/** The place where there was no room goes last for a while; a candidate that no machine fits on is of no use. */
function withoutRoom(state: InstanceState, step: Step, message: string, now: number): InstanceState {
  const refusedState = withCreateRefused(state, step);
  const next = { ...refusedState, capacityTries: state.capacityTries + 1 };
  const failure = { code: "no_capacity", message, retryAfterMs: null } as const;
  if (step.kind === "create_volume" || step.kind === "create_candidate") {
    return failed(withFull(next, step.region, "region", now), failure, now);
  }
  if (step.kind !== "create_machine") {
    return failed(
      state.volume === null ? next : withFull(next, state.volume.region, "host", now),
      failure,
      now,
    );
  }
  return step.volumeId === state.candidate?.id
    ? failed(withoutCandidate(withFull(next, step.region, "region", now), now), failure, now)
    : failed(withFull(next, step.region, "host", now), failure, now);
}

function withFull(
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

function withLeftover(
  state: InstanceState,
  { kind, id }: Left,
  now: number,
  { notBefore = now, whenReady = false, visibleFrom = now }: Partial<Leftover> = {},
): InstanceState {
  if (state.leftovers.some((left) => left.id === id) || state.leftovers.length >= LEFTOVERS_MAX) return state;
  const left: Leftover = { kind, id, since: now, notBefore, whenReady, visibleFrom, retryAt: now, tries: 0 };
  return { ...state, leftovers: [...state.leftovers, left] };
}

function withLeftoverTried(state: InstanceState, { id }: Left, now: number): InstanceState {
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

function withAccepted(state: InstanceState, step: Step, now: number): InstanceState {
  return { ...state, accepted: { kind: step.kind, at: now } };
}

/** A create that Fly refused left nothing behind; an earlier one under the same name may have. */
function withCreateRefused(state: InstanceState, step: Step): InstanceState {
  const { creating } = state;
  if (creating === null || createdBy(step) !== creating.kind) return state;
  if (creating.earlierAt === null) return { ...state, creating: null };
  return { ...state, creating: { ...creating, sentAt: creating.earlierAt, earlierAt: null } };
}

function newMachine(id: string, now: number): NonNullable<InstanceState["machine"]> {
  return { id, createdAt: now, seen: false, verified: false, remounted: false };
}

function countBringUp(state: InstanceState, now: number): InstanceState {
  return { ...state, bringUps: [...state.bringUps.filter((at) => at > now - HOUR_MS), now] };
}

function succeeded(state: InstanceState): InstanceState {
  return { ...state, failures: 0, retryAt: null };
}

function failed(
  state: InstanceState,
  { code, message, retryAfterMs }: { code: ProblemCode; message: string; retryAfterMs: number | null },
  now: number,
): InstanceState {
  const failures = state.failures + 1;
  const pause = Math.min(RETRY_MS_MIN * 2 ** Math.min(failures - 1, 10), RETRY_MS_MAX);
  const retryAt = now + Math.max(pause, Math.min(retryAfterMs ?? 0, RETRY_MS_MAX));
  const known = state.lastError;
  // A destroy that is stuck stays told as that; what is in its way is in the log.
  const told = known?.code === "destroy_stuck" ? known : { code, message };
  const same = known !== null && known.code === told.code && known.message === told.message;
  return {
    ...state,
    failures,
    retryAt,
    lastError: {
      code: told.code,
      message: told.message,
      at: same ? known.at : now,
      attempts: same ? known.attempts + 1 : 1,
      nextTryAt: retryAt,
    },
  };
}
