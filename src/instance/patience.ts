import { RECHECK_SLOW_MS, wait } from "./decisions.ts";
import { VISIBILITY_GRACE_MS } from "./outcome.ts";
import type { InstanceState, Status } from "./state.ts";
import type { Decision, Problem, Step } from "./step.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Cold image pulls of up to 70 s and gateways of up to 30 s were measured; what takes longer than this is told. */
export const START_DEADLINE_MS = 5 * MINUTE_MS;
/** Fly's own threshold for a machine stuck between two states (docs: machines/machine-states). */
const TRANSITION_DEADLINE_MS = 5 * MINUTE_MS;
/** Starts and creates an hour for one wish of the user; a crash loop ends there. */
export const BRING_UPS_PER_HOUR = 6;
/** Between the user's own start and the first by ourselves: time for Fly to show what the start did. */
const BRING_UP_PAUSE_MS_FIRST = SECOND_MS;
/** Between later ones; it doubles. */
const BRING_UP_PAUSE_MS = 5 * SECOND_MS;
/** How long the effect of a step that Fly accepted may take to show before the step is repeated. */
const EFFECT_MS = 15 * SECOND_MS;

/** Whether the machine has been in the state it is in for longer than a state in between may last. */
export function isOverdue(state: InstanceState, now: number): boolean {
  return state.watched !== null && now >= state.watched.since + TRANSITION_DEADLINE_MS;
}

/**
 * Until when the gateway of a machine that is up may take to get ready: measured from when both the machine and the wish were
 * there, since a gateway may begin anew in a machine that has been up for days.
 */
export function startDeadline(state: InstanceState, now: number): number {
  if (state.status === "running") return now + START_DEADLINE_MS;
  return Math.max(state.watched?.since ?? now, state.statusSince) + START_DEADLINE_MS;
}

/** Whether a create is open whose resource may still show itself, so that its absence is not believed yet. */
export function openCreateMayAppear(state: InstanceState, kind: "machine" | "volume", now: number): boolean {
  return state.creating?.kind === kind && now < state.creating.believeAbsentAt;
}

/** A resource that we made a moment ago and that has not shown itself: its absence is not believed. */
export function notVisibleYet(resource: { createdAt: number; seen: boolean } | null, now: number): boolean {
  return resource !== null && !resource.seen && now < resource.createdAt + VISIBILITY_GRACE_MS;
}

/** Waits for the effect of a step that Fly accepted a moment ago; null where it may be asked for (again). */
export function awaitEffect(
  state: InstanceState,
  kind: Step["kind"],
  status: Status,
  now: number,
): Decision | null {
  const { accepted } = state;
  if (accepted === null || accepted.kind !== kind || now >= accepted.at + EFFECT_MS) return null;
  return wait(
    "machine",
    accepted.at + EFFECT_MS,
    `Fly accepted ${kind}; its effect does not show yet`,
    status,
  );
}

/** The pause between two bring-ups, and the end of them for the hour; null where another may be tried. */
export function tooManyBringUps(
  state: InstanceState,
  now: number,
  exit: string,
  rising: Status,
  problem: Problem | null,
): Decision | null {
  const recent = state.bringUps.filter((at) => at > now - HOUR_MS);
  const latest = recent.at(-1);
  const oldest = recent[0];
  if (latest === undefined || oldest === undefined) return null;
  if (recent.length >= BRING_UPS_PER_HOUR) {
    return wait(
      "time",
      Math.max(oldest + HOUR_MS, now + RECHECK_SLOW_MS),
      "it went down too often",
      "stopped",
      {
        code: "gave_up",
        message: `The machine was brought up ${recent.length} times within an hour and went down each time${exit}.`,
      },
    );
  }
  const pause = recent.length === 1 ? BRING_UP_PAUSE_MS_FIRST : BRING_UP_PAUSE_MS * 2 ** (recent.length - 2);
  if (latest + pause <= now) return null;
  return wait("machine", latest + pause, "a pause before the next try", rising, problem);
}
