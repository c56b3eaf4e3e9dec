import type { AwaitableState } from "../fly/client.ts";
import { decide } from "./decide.ts";
import type { InstanceEvent } from "./events.ts";
import type { Observation } from "./observation.ts";
import { observe, type ObservePorts } from "./observe.ts";
import { noteSeen, takenUp } from "./noted.ts";
import { digestOf } from "./drift.ts";
import { noteOrdered } from "./ran.ts";
import { applyOutcome, beginStep, type Outcome } from "./outcome.ts";
import { type PerformPorts, prepare } from "./perform.ts";
import { type InstanceState, instanceStateSchema, type ProblemCode } from "./state.ts";
import type { Decision } from "./step.ts";
import { applyDecision } from "./told.ts";
import { driftWarnings, type Warning, warningsAfter, warningsOf } from "./warning.ts";

export type StoragePort = {
  /** The current record; null when the instance does not exist (any more). */
  load(): InstanceState | null;
  /** Durable before the next message leaves the object. */
  save(state: InstanceState): void;
  append(event: InstanceEvent): void;
  erase(): Promise<void>;
};

export type ClockPort = {
  now(): number;
  /** Ends early, without an error, when the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
};

export type LoopPorts = ObservePorts &
  PerformPorts & {
    storage: StoragePort;
    clock: ClockPort;
    /** What an operator is to read at once, beside the event of the instance. */
    warn: (warning: Warning, sandboxId: string) => void;
    /** Told before each step, and waited for. */
    onWork: () => Promise<void>;
    /** The rules, where a simulation plants others. */
    rules?: Rules;
  };

/** The pure parts of a pass. */
export type Rules = {
  decide: typeof decide;
  beginStep: typeof beginStep;
  applyOutcome: typeof applyOutcome;
};

const RULES: Rules = { decide, beginStep, applyOutcome };

/** How an effort ended: nothing left to do (or little, later), or to be taken up again at an instant. */
export type Verdict = { kind: "settled"; againAt: number | null } | { kind: "pending"; nextAt: number };

export type Reconciler = {
  /**
   * Runs the one effort, or joins the one that runs, until it settles or `until` is reached.
   * A later joiner extends the effort; an earlier one leaves it at its own bound.
   */
  run(until: number): Promise<Verdict>;
  /** A newer intent was stored: a wait of the running effort ends at once. */
  nudge(): void;
};

/** Far more turns than any life needs between two rests, so that a rule that goes in circles can't burn an hour. */
const TURNS_MAX = 300;
/** A wait shorter than this did not wait; the pause keeps a contradiction between two calls from spinning. */
const WAIT_MS_MIN = 100;
const REFUSED_WAIT_MS = 1_000;
const GATEWAY_POLL_MS_MIN = 150;
const GATEWAY_POLL_MS_MAX = 1_000;
/** Fly accepts waits of 1 to 60 s; the proxies before it may cut longer ones. */
const MACHINE_WAIT_S_MAX = 50;

/** The one loop: observe, decide, perform, store, and round again. There is no other code that acts on a tenant. */
export function createReconciler(ports: LoopPorts): Reconciler {
  const { clock } = ports;
  let effort: Promise<Verdict> | null = null;
  let deadline = 0;
  let nudged = new AbortController();

  const start = (): Promise<Verdict> => {
    const running = runEffort(ports, {
      deadline: () => deadline,
      nudged: () => nudged.signal,
    });
    effort = running;
    const clear = (): void => {
      effort = null;
    };
    running.then(clear, clear);
    return running;
  };

  return {
    async run(until) {
      deadline = effort === null ? until : Math.max(deadline, until);
      const running = effort ?? start();
      const left = new AbortController();
      const bound = clock
        .sleep(Math.max(0, until - clock.now()), left.signal)
        .then((): Verdict => ({ kind: "pending", nextAt: clock.now() }));
      try {
        return await Promise.race([running, bound]);
      } finally {
        left.abort(OVER);
      }
    },
    nudge() {
      nudged.abort(OVER);
      nudged = new AbortController();
    },
  };
}

/** Nobody reads why a sleep ended, and the default reason is costly to make. */
const OVER = "over";

const GONE: Verdict = { kind: "settled", againAt: null };

type Effort = { deadline: () => number; nudged: () => AbortSignal };

async function runEffort(ports: LoopPorts, effort: Effort): Promise<Verdict> {
  const { storage, clock, rules = RULES } = ports;
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const before = storage.load();
    if (before === null) return GONE;
    const signal = effort.nudged();
    const askedAt = clock.now();
    const seen = await observe(takenUp(before, askedAt), ports, askedAt);
    const current = storage.load();
    if (current === null) return GONE;
    // What was seen for an older wish may not hold what the newer one needs to know.
    if (current.epoch !== before.epoch) continue;
    const noted = noteSeen(takenUp(current, askedAt), seen, clock.now());
    const state = noteOrdered(noted, digestOf(ports.machineDefaults.image));
    const decision = rules.decide(state, seen, clock.now());
    const told = tell(ports, current, state, decision);
    switch (decision.kind) {
      case "settled":
        return { kind: "settled", againAt: decision.againAt };
      case "step":
        if (!(await act(ports, told, decision, signal))) return GONE;
        break;
      case "wait": {
        const now = clock.now();
        // A look that failed is repeated after the pause that its failure was stored with.
        const until = decision.failed ? (told.retryAt ?? decision.until) : decision.until;
        if (now >= effort.deadline() || !worthWaiting(decision, until - now))
          return { kind: "pending", nextAt: until };
        await pause(ports, told, seen, decision, Math.min(until, effort.deadline()), signal);
        break;
      }
      default:
        return decision satisfies never;
    }
  }
  return { kind: "pending", nextAt: clock.now() };
}

/** A passing fault is sat out for a few short tries; whoever waits is told of any other, and of one that lasts, at once. */
function worthWaiting({ problem }: Extract<Decision, { kind: "wait" }>, waitMs: number): boolean {
  return problem === null || (PASSING.has(problem.code) && waitMs <= SIT_OUT_MS_MAX);
}

const PASSING: ReadonlySet<ProblemCode> = new Set([
  "fly_unreachable",
  "fly_busy",
  "machine_busy",
  "volume_busy",
  "name_taken",
  "no_capacity",
  "machine_gone",
  "machine_stopped",
  "volume_missing",
  "destroy_stuck",
]);
const SIT_OUT_MS_MAX = 5_000;

/** Stores and logs what was seen and what the decision tells the user, where that is new. */
function tell(
  ports: LoopPorts,
  stored: InstanceState,
  state: InstanceState,
  decision: Decision,
): InstanceState {
  const { storage, clock } = ports;
  const now = clock.now();
  const next = applyDecision(state, decision, now);
  const event = { at: now, outcome: null, durationMs: null };
  if (next.status !== state.status) {
    storage.append({ ...event, kind: "status", what: next.status, why: decision.reason });
  }
  if (next.lastError !== null && next.lastError.at !== state.lastError?.at) {
    storage.append({ ...event, kind: "problem", what: next.lastError.code, why: next.lastError.message });
  }
  for (const warning of driftWarnings(stored, next)) warn(ports, next, warning, now);
  if (!isSame(next, stored)) storage.save(next);
  return next;
}

/** Whether two records say the same, so that a pass with nothing to do writes nothing. */
function isSame(next: InstanceState, stored: InstanceState): boolean {
  return instanceFields.every(
    (field) => next[field] === stored[field] || JSON.stringify(next[field]) === JSON.stringify(stored[field]),
  );
}

const instanceFields = instanceStateSchema.keyof().options;

/** Performs a step between two writes of the record. False when the record is gone afterwards. */
async function act(
  ports: LoopPorts,
  state: InstanceState,
  decision: Extract<Decision, { kind: "step" }>,
  signal: AbortSignal,
): Promise<boolean> {
  const { storage, clock, rules = RULES } = ports;
  const { step } = decision;
  await ports.onWork();
  const perform = await prepare(state, step, ports);
  // From here to the call nothing comes in between: a newer wish that came until now has its own next step.
  const latest = storage.load();
  if (latest === null) return false;
  if (latest.epoch !== state.epoch) return true;
  const startedAt = clock.now();
  for (const warning of warningsOf(latest, step)) warn(ports, latest, warning, startedAt);
  storage.save(rules.beginStep(latest, step, startedAt));
  const outcome = await perform(signal);
  const now = clock.now();
  const current = storage.load();
  if (current === null) return false;
  storage.append({
    at: now,
    kind: "step",
    what: step.kind,
    why: decision.reason,
    outcome: describeOutcome(outcome),
    durationMs: now - startedAt,
  });
  const next = rules.applyOutcome(current, step, outcome, now);
  if (next === null) {
    await storage.erase();
    return false;
  }
  if (next.lastError !== null && next.lastError.at !== current.lastError?.at) {
    const { code, message } = next.lastError;
    storage.append({ at: now, kind: "problem", what: code, why: message, outcome: null, durationMs: null });
  }
  for (const warning of warningsAfter(current, next)) warn(ports, next, warning, now);
  storage.save(next);
  return true;
}

function warn(ports: LoopPorts, { sandboxId }: InstanceState, warning: Warning, at: number): void {
  ports.storage.append({ at, kind: "warning", ...warning, outcome: null, durationMs: null });
  ports.warn(warning, sandboxId);
}

/** Waits for what the decision names, for its deadline, or for a newer intent, whichever is first. */
async function pause(
  { clock, fly }: LoopPorts,
  state: InstanceState,
  seen: Observation,
  { on }: Extract<Decision, { kind: "wait" }>,
  until: number,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = clock.now();
  const left = Math.max(0, until - startedAt);
  switch (on) {
    case "time":
      await clock.sleep(left, signal);
      break;
    case "gateway": {
      // The younger the start, the denser the questions; a gateway takes from two to thirty seconds.
      const age = (startedAt - (state.watched?.since ?? startedAt)) / 20;
      await clock.sleep(
        Math.min(left, Math.max(GATEWAY_POLL_MS_MIN, Math.min(age, GATEWAY_POLL_MS_MAX))),
        signal,
      );
      break;
    }
    case "machine":
      if (seen.machine.kind !== "present") {
        await clock.sleep(left, signal);
      } else {
        const timeoutS = Math.min(MACHINE_WAIT_S_MAX, Math.max(1, Math.ceil(left / 1_000)));
        const { id, instanceId } = seen.machine;
        const answer = await fly.waitForMachine(
          state.appName,
          id,
          awaitedState(state),
          instanceId,
          timeoutS,
          signal,
        );
        // 408 is how Fly says "not yet"; any other refusal came without waiting.
        if (!answer.ok && answer.error.status !== 408)
          await clock.sleep(Math.min(left, REFUSED_WAIT_MS), signal);
      }
      break;
    default:
      return on satisfies never;
  }
  const waited = clock.now() - startedAt;
  if (waited < WAIT_MS_MIN) await clock.sleep(WAIT_MS_MIN - waited, signal);
}

/** Where the last step is to lead, or else the intent. */
function awaitedState({ accepted, intent }: InstanceState): AwaitableState {
  if (accepted?.kind === "destroy_machine") return "destroyed";
  if (accepted?.kind === "stop_machine") return "stopped";
  return AWAITED[intent];
}

const AWAITED = { running: "started", stopped: "stopped", destroyed: "destroyed" } as const;

function describeOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case "done":
    case "recovered":
      return outcome.kind;
    case "version_told": {
      const { controller, openclaw } = outcome.version;
      return `controller ${controller}, OpenClaw ${openclaw ?? "not running yet"}`;
    }
    case "settings_taken":
      return `${outcome.isInEffect ? "in effect" : "not in effect"} (${outcome.how})`;
    case "interrupted":
      return "a newer wish came first";
    case "settings_refused":
    case "unanswered":
      return outcome.message;
    case "secret_set":
      return `secrets version ${outcome.version}`;
    case "app_taken":
    case "name_conflict":
      return "the name is taken";
    case "volume_created":
    case "machine_created":
      return `${outcome.kind} ${outcome.id}`;
    case "name_taken":
      return `the name is taken by machine ${outcome.machineId}`;
    case "app_missing":
    case "no_capacity":
    case "failed":
    case "outcome_unknown":
      return `${outcome.kind}: ${outcome.message}`;
    default:
      return outcome satisfies never;
  }
}
