import type { Unknown } from "./observation.ts";
import type { Status } from "./state.ts";
import type { Awaited, Decision, Problem, Step } from "./step.ts";

/** How a wait looks again that nothing it can subscribe to will end. */
export const RECHECK_MS = 10_000;
/** How something is looked for again whose absence is not believed yet. */
export const LOOK_AGAIN_MS = 5_000;
export const RECHECK_SLOW_MS = 60_000;

/** One step, with what the user is told meanwhile. */
export function step(what: Step, reason: string, status: Status, problem: Problem | null = null): Decision {
  return { kind: "step", step: what, reason, status, problem };
}

/** At rest; `againAt` (milliseconds since the epoch) for something of little weight before the usual time. */
export function settled(status: Status, reason: string, againAt: number | null = null): Decision {
  return { kind: "settled", status, reason, problem: null, againAt };
}

/** A wait until an instant (milliseconds since the epoch), or for what `on` names. */
export function wait(
  on: Awaited,
  until: number,
  reason: string,
  status: Status,
  problem: Problem | null = null,
): Extract<Decision, { kind: "wait" }> {
  return { kind: "wait", on, until, reason, status, problem, failed: false };
}

/** Fly could not be asked: counted like a failed step, so that the pauses grow. */
export function unknown(
  { code, why, retryAfterMs = null }: Pick<Unknown, "code" | "why"> & Partial<Pick<Unknown, "retryAfterMs">>,
  status: Status,
  now: number,
): Decision {
  const problem: Problem = { code, message: why };
  const until = now + (retryAfterMs ?? 0);
  return { kind: "wait", on: "time", until, reason: `not known: ${why}`, status, problem, failed: true };
}

/** Nothing can be done about it here; the user reads why, and it is looked at again. */
export function refused(status: Status, now: number, problem: Problem): Decision {
  return wait("time", now + RECHECK_SLOW_MS, problem.message, status, problem);
}

/** The machine went down: the user reads why before it is brought back. */
export function down(mark: Extract<Step, { kind: "mark_down" }>, status: Status): Decision {
  return step(mark, mark.message, status, { code: mark.code, message: mark.message });
}

/** What the user is told of a machine that Fly keeps in one state. */
export function wedged(flyState: string): Problem {
  return {
    code: "machine_wedged",
    message: `Fly kept the machine in "${flyState}" for too long; it gives way to a new one on the same volume.`,
  };
}

/** What the user is told of a machine that has our name and is not ours. */
export function notOurs(id: string): Problem {
  return {
    code: "machine_not_ours",
    message: `Machine ${id} has our name but not this tenant's metadata; it is left alone.`,
  };
}

/** A host that is away, with nothing to be done about it: it is waited for. */
export function waitForHost(status: Status, now: number): Decision {
  return refused(status, now, HOST_AWAY);
}

export const HOST_AWAY: Problem = {
  code: "host_unreachable",
  message: "Fly can't reach the host of the machine.",
};
