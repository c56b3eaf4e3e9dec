import { wait } from "./decisions.ts";
import type { Observation } from "./observation.ts";
import { createdBy } from "./outcome.ts";
import { effectEndsAt, openCreateMayAppear } from "./patience.ts";
import { appFirst, appRecovered } from "./rules/app.ts";
import { decideDestroyed } from "./rules/destroyed.ts";
import { recoverIds } from "./rules/recovery.ts";
import { decideRunning } from "./rules/running.ts";
import { decideStopped } from "./rules/stopped.ts";
import type { InstanceState } from "./state.ts";
import type { Decision, Step } from "./step.ts";

const SECOND_MS = 1_000;

/**
 * The one place of every rule: what is the next step for this instance, seen so, at this instant?
 * Pure and total over intent × machine × volume; SPEC.md has the table, and `rules/` one file for each part of it.
 */
export function decide(state: InstanceState, seen: Observation, now: number): Decision {
  if (state.retryAt !== null && state.retryAt > now) {
    return wait("time", state.retryAt, "the last try failed", state.status, state.lastError);
  }
  return afterEffect(state, onePerTime(state, decideByIntent(state, seen, now), now), now);
}

/** An open create is resolved before another kind of thing is made, since the record holds one open create. */
function onePerTime(state: InstanceState, decision: Decision, now: number): Decision {
  const { creating } = state;
  if (creating === null || decision.kind !== "step") return decision;
  const kind = createdBy(decision.step);
  if (kind === null || kind === creating.kind || !openCreateMayAppear(state, creating.kind)) return decision;
  return wait(
    "time",
    now + SECOND_MS,
    `a ${creating.kind} may still appear`,
    decision.status,
    decision.problem,
  );
}

/** The effect of a step that Fly accepted a moment ago is waited for before the step is repeated, or another takes its machine. */
function afterEffect(state: InstanceState, decision: Decision, now: number): Decision {
  const until = effectEndsAt(state);
  const { accepted } = state;
  if (decision.kind !== "step" || accepted === null || until === null || until <= now) return decision;
  const { step, status, problem } = decision;
  const isOvertaken = accepted.kind === "destroy_machine" && USES_MACHINE.has(step.kind);
  if (step.kind !== accepted.kind && !isOvertaken) return decision;
  const reason = `Fly accepted ${accepted.kind}; its effect does not show yet`;
  return MACHINE_STEPS.has(accepted.kind)
    ? wait("machine", until, reason, status, problem)
    : wait("time", Math.min(until, now + SECOND_MS), reason, status, problem);
}

const USES_MACHINE: ReadonlySet<Step["kind"]> = new Set(["start_machine", "update_machine", "stop_machine"]);
const MACHINE_STEPS: ReadonlySet<string> = new Set([
  "start_machine",
  "update_machine",
  "stop_machine",
  "destroy_machine",
]);

function decideByIntent(state: InstanceState, seen: Observation, now: number): Decision {
  if (state.recovery !== null && state.intent !== "destroyed") {
    return (
      appRecovered(state, seen.app, state.status, now) ?? recoverIds(state, seen.inventory, state.status, now)
    );
  }
  switch (state.intent) {
    case "destroyed":
      return decideDestroyed(state, seen, now);
    case "stopped":
      return appFirst(state, seen, state.status, now) ?? decideStopped(state, seen, now);
    case "running":
      return appFirst(state, seen, state.status, now) ?? decideRunning(state, seen, now);
    default:
      return state.intent satisfies never;
  }
}
