import type { InstanceState, LastError, ProblemCode } from "./state.ts";
import { withStatus } from "./wishes.ts";
import type { Decision } from "./step.ts";

const SECOND_MS = 1_000;
/** The pause after a failed step: it doubles from the first to the last of these. */
const RETRY_MS_MIN = SECOND_MS;
const RETRY_MS_MAX = 60 * SECOND_MS;

export type Failure = { code: ProblemCode; message: string; retryAfterMs: number | null };

/** The record with what a decision tells the user: status, error, and the instants that follow from them. */
export function applyDecision(state: InstanceState, decision: Decision, now: number): InstanceState {
  const told = withStatus(state, decision.status, now);
  const { problem } = decision;
  if (decision.kind === "wait" && decision.failed && problem !== null) {
    return failed(told, { ...problem, retryAfterMs: decision.until - now }, now);
  }
  const rested =
    decision.kind === "settled" ? { ...told, failures: 0, capacityTries: 0, retryAt: null } : told;
  const next = { ...rested, lastError: tellProblem(state, decision, now) };
  return next.status === "stopped" && state.status !== "stopped" ? { ...next, lastStoppedAt: now } : next;
}

/** The same problem keeps the instant at which it was first seen. */
function tellProblem(state: InstanceState, decision: Decision, now: number): LastError | null {
  const { problem } = decision;
  if (problem === null) return null;
  const known = state.lastError;
  const nextTryAt = decision.kind === "wait" ? decision.until : null;
  if (known === null || known.code !== problem.code || known.message !== problem.message) {
    return { code: problem.code, message: problem.message, at: now, attempts: 1, nextTryAt };
  }
  // The next look of a wait that goes on is no news.
  return known.nextTryAt !== null && known.nextTryAt > now ? known : { ...known, nextTryAt };
}

/** The record after a try that came to nothing: told, and to be tried again after a pause that grows. */
export function failed(
  state: InstanceState,
  { code, message, retryAfterMs }: Failure,
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

/** The record after a step that Fly carried out: the next failure begins with the shortest pause. */
export function succeeded(state: InstanceState): InstanceState {
  return { ...state, failures: 0, retryAt: null };
}
