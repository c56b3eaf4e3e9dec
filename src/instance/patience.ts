import { LOOK_AGAIN_MS, RECHECK_SLOW_MS, settled, wait } from "./decisions.ts";
import type { MachinePhase } from "./observation.ts";
import type { Empty, InstanceState, Leftover, Status } from "./state.ts";
import type { Decision, Problem } from "./step.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Cold image pulls of up to 70 s and gateways of up to 30 s were measured; what takes longer than this is told. */
export const START_DEADLINE_MS = 5 * MINUTE_MS;
/** Fly's own thresholds for a stuck machine (docs: machines/machine-states), and twice the worst image pull seen (412 s). */
const PHASE_DEADLINE_MS: Record<MachinePhase, number> = {
  launching: 14 * MINUTE_MS,
  replacing: 10 * MINUTE_MS,
  starting: 5 * MINUTE_MS,
  stopping: 5 * MINUTE_MS,
  destroying: 5 * MINUTE_MS,
  up: Number.POSITIVE_INFINITY,
  down: Number.POSITIVE_INFINITY,
  failed: Number.POSITIVE_INFINITY,
};
/** A machine that goes from one state in between to the next is wedged as well (fly-machines-api.md F-10). */
const RESTLESS_DEADLINE_MS = 20 * MINUTE_MS;
/** A host that is away for longer is given up, where its data can be had elsewhere. */
export const HOST_DEADLINE_MS = 10 * MINUTE_MS;
/** A destroy that takes longer is told as stuck. */
export const DESTROY_DEADLINE_MS = 15 * MINUTE_MS;
/** Starts and creates an hour for one wish of the user; a crash loop ends there. */
export const BRING_UPS_PER_HOUR = 6;
/** Between the user's own start and the first by ourselves: time for Fly to show what the start did. */
const BRING_UP_PAUSE_MS_FIRST = SECOND_MS;
/** Between later ones; it doubles. */
const BRING_UP_PAUSE_MS = 5 * SECOND_MS;
/** How long the effect of a step that Fly accepted may take to show before the step is repeated. */
const EFFECT_MS = 15 * SECOND_MS;
/** A fresh resource may not be visible by its id at once (fly-machines-api.md F-05): so long its absence is not believed. */
export const VISIBILITY_GRACE_MS = 15 * SECOND_MS;
/** From when it was sent until a create is over: the client waits for 40 s. */
const CREATE_MS_MAX = 45 * SECOND_MS;
/** By how much Fly's clock may be behind ours. */
export const CLOCK_SKEW_MS = 30 * SECOND_MS;
/** So far a list may be behind (fly-machines-api.md F-03). */
const LIST_LAG_MS = 30 * SECOND_MS;
/** From when on looks for what a create made are to find it. */
export const CREATE_SHOWS_MS = CREATE_MS_MAX + LIST_LAG_MS;
/** A list may be wrongly empty for a while: its emptiness is believed when every look for so long found it. */
const EMPTY_LIST_MS = 40 * SECOND_MS;
const EMPTY_LOOKS_MIN = 3;
/** A volume that Fly no longer knows is looked for so long before it is replaced. */
const VOLUME_GONE_GRACE_MS = MINUTE_MS;
/** After a create that nobody answered, the same name may be tried again: names of machines are unique. */
const RETRY_CREATE_MS = 15 * SECOND_MS;

/** Whether the machine has been in the state it is in, or between states, for longer than that may last. */
export function isOverdue(state: InstanceState, phase: MachinePhase, now: number): boolean {
  const { watched } = state;
  if (watched === null) return false;
  const restlessSince = watched.restlessSince ?? now;
  return now >= watched.since + PHASE_DEADLINE_MS[phase] || now >= restlessSince + RESTLESS_DEADLINE_MS;
}

/**
 * Until when the gateway of a machine that is up may take to get ready: measured from when both the machine and the wish were
 * there, since a gateway may begin anew in a machine that has been up for days.
 */
export function startDeadline(state: InstanceState, now: number): number {
  if (state.status === "running") return now + START_DEADLINE_MS;
  return Math.max(state.watched?.since ?? now, state.statusSince) + START_DEADLINE_MS;
}

type Creating = NonNullable<InstanceState["creating"]>;

/** The pause between two looks for what an open create may have made: short while it is likely to show itself. */
export function lookAgainAt({ creating }: InstanceState, now: number): number {
  return now + (creating === null || now < creating.sentAt + RETRY_CREATE_MS ? SECOND_MS : LOOK_AGAIN_MS);
}

/** Whether a create is open whose resource may still show itself, so that its absence is not believed yet. */
export function openCreateMayAppear(state: InstanceState, kind: Creating["kind"]): boolean {
  const { creating } = state;
  return creating?.kind === kind && !isEmptyLongEnough(creating.empty);
}

/** Whether looks found nothing for so long, and none of them anything, that lists can't have been wrong all the while. */
export function isEmptyLongEnough(empty: Empty): boolean {
  return empty !== null && empty.looks >= EMPTY_LOOKS_MIN && empty.at >= empty.since + EMPTY_LIST_MS;
}

/** Whether a create whose outcome is not known may be sent again under its name, which is unique. */
export function mayRetryCreate({ creating }: InstanceState, kind: "app" | "machine", now: number): boolean {
  return creating === null || (creating.kind === kind && now >= creating.sentAt + RETRY_CREATE_MS);
}

/** An app that was made a moment before it was asked for, and that has not shown itself. */
export function isAppNotVisibleYet({ ownApp }: InstanceState, askedAt: number): boolean {
  const madeAt = ownApp?.madeAt ?? null;
  return madeAt !== null && askedAt < madeAt + VISIBILITY_GRACE_MS;
}

/** Whether an app may still show itself under its name, by which Fly tells the truth of all but the newest. */
export function appMayAppear(state: InstanceState, askedAt: number): boolean {
  const { creating } = state;
  const isOpen = creating?.kind === "app" && askedAt < creating.sentAt + CREATE_MS_MAX + VISIBILITY_GRACE_MS;
  return isOpen || isAppNotVisibleYet(state, askedAt);
}

/** A resource that we made a moment before it was asked for, and that has not shown itself: its absence is not believed. */
export function notVisibleYet(
  resource: { createdAt: number; seen: boolean } | null,
  askedAt: number,
): boolean {
  return resource !== null && !resource.seen && askedAt < resource.createdAt + VISIBILITY_GRACE_MS;
}

/** Whether the volume was looked for in vain for long enough to be replaced. */
export function isVolumeLost({ volume }: InstanceState): boolean {
  const missing = volume?.missing ?? null;
  return (
    missing !== null && missing.looks >= EMPTY_LOOKS_MIN && missing.at >= missing.since + VOLUME_GONE_GRACE_MS
  );
}

/** Until when the effect of a step that Fly accepted is waited for; null where none is. */
export function effectEndsAt({ accepted }: InstanceState): number | null {
  // A start shows at once, or has failed; its pauses are those of the bring-ups.
  return accepted === null || accepted.kind === "start_machine" ? null : accepted.at + EFFECT_MS;
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

/** The leftover that is to be dealt with at this instant; `isReady` tells that the instance runs and its gateway answers. */
export function dueLeftover(state: InstanceState, isReady: boolean, now: number): Leftover | null {
  return state.leftovers.find((left) => isAllowed(state, left, isReady, now) && left.retryAt <= now) ?? null;
}

/** Whether everything of the instance is to be looked for once more. */
export function isInventoryDue({ inventoryAt }: InstanceState, now: number): boolean {
  return inventoryAt !== null && inventoryAt <= now;
}

/** At rest, but with the next leftover in view. */
export function settledWithLeftovers(
  state: InstanceState,
  status: Status,
  reason: string,
  isReady: boolean,
): Decision {
  const instants = state.leftovers
    .filter((left) => !left.isKept && (isReady || !left.whenReady))
    .map(({ retryAt, notBefore }) => Math.max(retryAt, notBefore));
  if (state.inventoryAt !== null) instants.push(state.inventoryAt);
  if (isReady && state.ran === null && state.unanswered !== null) instants.push(state.unanswered.againAt);
  return settled(status, reason, instants.length === 0 ? null : Math.min(...instants));
}

function isAllowed(state: InstanceState, left: Leftover, isReady: boolean, now: number): boolean {
  if (state.intent === "destroyed") return true;
  return !left.isKept && left.notBefore <= now && (isReady || !left.whenReady);
}
