import { APPLY_TRIES_MAX, triesOf } from "../applied.ts";
import { step, wait } from "../decisions.ts";
import type { ObservedGateway, PresentMachine } from "../observation.ts";
import { effectEndsAt } from "../patience.ts";
import { takesSettings } from "../ran.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision } from "../step.ts";
import { updateIfOlder } from "./configuration.ts";
import { gatewayFirst } from "./gateway.ts";
import { askVersion } from "./version.ts";

/** Questions what the controller can be asked for, before a machine is updated whose controller does not say. */
const QUESTIONS_MAX = 2;

/**
 * The machine is up, and has all that is wanted; else it takes that over. Where only settings differ its controller gives them to
 * the gateway, so that nobody who is connected notices more than that; where it can't, the machine is updated, which restarts it.
 * Null when nothing is to be done, or nothing can be.
 */
export function configurationFirst(
  state: InstanceState,
  machine: PresentMachine,
  gateway: ObservedGateway,
  now: number,
  rising: Status,
): Decision | null {
  // Whoever was told `running` is told at once that the machine goes down, because somebody asked for it.
  const update = (): Decision | null =>
    updateIfOlder(state, machine, state.status === "running" ? "starting" : rising, now);
  const standing = standingOf(state, machine);
  switch (standing) {
    case "current":
      return null;
    case "behind":
      return update();
    case "behind_in_settings":
      return applyLive(state, machine, gateway, now, rising) ?? update();
    case "unconfirmed":
      return confirm(state, machine, gateway, rising, update);
    default:
      return standing satisfies never;
  }
}

type Standing =
  | "current"
  /** It was given what is wanted while it ran, or its record was lost since it was made; whether it has it is not known. */
  | "unconfirmed"
  | "behind_in_settings"
  | "behind";

function standingOf(
  { applied, generation, settingsOnlySince }: InstanceState,
  machine: PresentMachine,
): Standing {
  if (applied?.generation === generation) return applied.isConfirmed ? "current" : "unconfirmed";
  const has = machine.generation;
  if (has === null || has === generation) return "current";
  return has >= settingsOnlySince && has < generation ? "behind_in_settings" : "behind";
}

/** Null where the controller can't do it, or did not in as many tries as it has. */
function applyLive(
  state: InstanceState,
  machine: PresentMachine,
  gateway: ObservedGateway,
  now: number,
  rising: Status,
): Decision | null {
  if (!mayApply(state) || isUpdating(state, now)) return null;
  switch (gateway.kind) {
    case "ready":
      if (state.ran === null) return askFirst(state, machine, now, meanwhile(state, rising));
      return takesSettings(state) ? apply(state, machine, "only its settings are older", rising) : null;
    case "unknown": {
      // An answer that did not come is no reason to restart what may be running well.
      const waiting = takesSettings(state) ? gatewayFirst(state, gateway, now, rising) : null;
      return waiting?.problem === null ? waiting : null;
    }
    case "none":
    case "starting":
    case "degraded":
      return null;
    default:
      return gateway satisfies never;
  }
}

function askFirst(
  state: InstanceState,
  machine: PresentMachine,
  now: number,
  status: Status,
): Decision | null {
  const { unanswered } = state;
  if (unanswered === null) return askVersion(machine, "only its settings are older", status);
  if (unanswered.questions >= QUESTIONS_MAX) return null;
  if (unanswered.againAt <= now) return askVersion(machine, "it did not answer before", status);
  return wait("time", unanswered.againAt, "the controller does not say what it can be asked for", status);
}

/**
 * A machine that restarted in its place keeps what it was given, and counts as current until its gateway is ready; then it is given
 * the same once more. One whose record was lost may have been given anything since it was made.
 */
function confirm(
  state: InstanceState,
  machine: PresentMachine,
  gateway: ObservedGateway,
  rising: Status,
  update: () => Decision | null,
): Decision | null {
  if (gateway.kind !== "ready" || state.ran === null || state.settingsLost) return null;
  if (takesSettings(state) && mayApply(state)) {
    return apply(state, machine, "whether it has the newest settings is not known", rising);
  }
  if (machine.generation !== state.generation) return update();
  return takesSettings(state) ? renew(state, meanwhile(state, rising)) : null;
}

/** A machine that is down, and may have kept something else than what its configuration says, is not started with that. */
export function renewIfUnsure(
  state: InstanceState,
  machine: PresentMachine,
  status: Status,
): Decision | null {
  if (standingOf(state, machine) !== "unconfirmed" || state.settingsLost) return null;
  return machine.generation === state.generation ? renew(state, status) : null;
}

function renew(state: InstanceState, status: Status): Decision {
  const reason = "whether it has the newest settings can't be told";
  return step({ kind: "renew_generation" }, reason, status, state.lastError);
}

function apply(
  state: InstanceState,
  { id, instanceId }: PresentMachine,
  reason: string,
  rising: Status,
): Decision {
  const { generation, lastError } = state;
  const what = { kind: "apply_settings", id, instanceId, generation } as const;
  return step(what, reason, meanwhile(state, rising), lastError);
}

/** The gateway answers while it is given other settings: nobody is cut off. */
function meanwhile({ status }: InstanceState, rising: Status): Status {
  return status === "running" ? "running" : rising;
}

/** What a recovery could not read would be overwritten with nothing. */
function mayApply(state: InstanceState): boolean {
  return !state.settingsLost && triesOf(state, state.generation) < APPLY_TRIES_MAX;
}

/** Fly accepted an update, and still shows the machine as it was. */
function isUpdating(state: InstanceState, now: number): boolean {
  return state.accepted?.kind === "update_machine" && (effectEndsAt(state) ?? 0) > now;
}
