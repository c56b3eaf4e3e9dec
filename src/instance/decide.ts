import {
  down,
  notOurs,
  RECHECK_MS,
  RECHECK_SLOW_MS,
  refused,
  settled,
  step,
  unknown,
  wait,
  wedged,
} from "./decisions.ts";
import type { Observation, ObservedMachine, ObservedVolume } from "./observation.ts";
import {
  awaitEffect,
  isOverdue,
  notVisibleYet,
  openCreateMayAppear,
  START_DEADLINE_MS,
  startDeadline,
  tooManyBringUps,
} from "./patience.ts";
import type { InstanceState, Status } from "./state.ts";
import type { Decision, Problem } from "./step.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

const VOLUME_NOT_ASKED = { code: "fly_unreachable", why: "the volume was not asked for" } as const;

type PresentMachine = Extract<ObservedMachine, { kind: "present" }>;

/**
 * The one place of every rule: what is the next step for this instance, seen so, at this instant?
 * Pure and total over intent × machine × volume; SPEC.md has the table.
 */
export function decide(state: InstanceState, seen: Observation, now: number): Decision {
  if (state.retryAt !== null && state.retryAt > now) {
    return wait("time", state.retryAt, "the last try failed", state.status, state.lastError);
  }
  switch (state.intent) {
    case "destroyed":
      return decideDestroyed(state, seen, now);
    case "stopped":
      return decideStopped(state, seen, now);
    case "running":
      return decideRunning(state, seen, now);
    default:
      return state.intent satisfies never;
  }
}

/** Only deletes. The record goes last, when machine, volume and every open create are confirmed gone. */
function decideDestroyed(state: InstanceState, seen: Observation, now: number): Decision {
  const status = "destroying";
  const { machine, volume } = seen;
  if (machine.kind === "unknown") return unknown(machine, status, now);
  // A machine of another tenant is not this instance's to delete, nor to wait for.
  if (machine.kind === "present" && machine.ours) {
    if (machine.phase === "destroying") return between(state, machine, status, now, RECHECK_SLOW_MS);
    return (
      awaitEffect(state, "destroy_machine", status, now) ??
      step({ kind: "destroy_machine", id: machine.id }, "the instance is to go", status)
    );
  }
  if (openCreateMayAppear(state, "machine", now) || notVisibleYet(state.machine, now)) {
    return wait("time", now + SECOND_MS, "a machine may still appear", status);
  }
  if (volume.kind === "unknown") return unknown(volume, status, now);
  if (volume.kind === "none") return unknown(VOLUME_NOT_ASKED, status, now);
  if (volume.kind === "present") {
    const holder = volume.attachedMachineId;
    // A machine that the record does not know, but that holds our volume: to be looked at, and to go first if it is ours.
    if (machine.kind === "none" && holder !== null && isMachineId(holder)) {
      return adopt(holder, "it holds the volume", status);
    }
    return step({ kind: "delete_volume", id: volume.id }, "the instance is to go", status);
  }
  if (openCreateMayAppear(state, "volume", now) || notVisibleYet(state.volume, now)) {
    return wait("time", now + SECOND_MS, "a volume may still appear", status);
  }
  return step({ kind: "erase" }, "machine and volume are gone", status);
}

/** Never starts anything. A volume is made once, at provision, so that there is a place for the data. */
function decideStopped(state: InstanceState, seen: Observation, now: number): Decision {
  const atRest: Status = state.lastStartedAt === null && state.machine === null ? "provisioned" : "stopped";
  const { machine } = seen;
  switch (machine.kind) {
    case "unknown":
      return unknown(machine, state.status, now);
    case "none":
      return volumeFirst(state, seen.volume, now, atRest) ?? settled(atRest, "no machine is wanted");
    case "absent":
      return absent(state, now, state.status, "stopped", "Fly no longer knows the machine.");
    case "present":
      break;
    default:
      return machine satisfies never;
  }
  if (!machine.ours) return refused(state.status, now, notOurs(machine.id));
  if (state.machine === null) return adopt(machine.id, "a machine of our name exists", state.status);
  switch (machine.phase) {
    case "launching":
    case "starting":
    case "up":
      return (
        awaitEffect(state, "stop_machine", "stopping", now) ??
        step({ kind: "stop_machine", id: machine.id }, `it is ${machine.flyState} and not wanted`, "stopping")
      );
    case "stopping":
    case "replacing":
    case "destroying":
      return between(state, machine, "stopping", now);
    case "down":
    case "failed":
      return settled("stopped", "the machine is down, as wished");
    default:
      return machine.phase satisfies never;
  }
}

function decideRunning(state: InstanceState, seen: Observation, now: number): Decision {
  const rising = risingStatus(state);
  const { machine } = seen;
  switch (machine.kind) {
    case "unknown":
      return unknown(machine, state.status, now);
    case "none":
      return createMachine(state, seen.volume, now, rising);
    case "absent":
      return absent(
        state,
        now,
        rising,
        "stopped",
        "Fly no longer knows the machine; it is made anew on its volume.",
      );
    case "present":
      break;
    default:
      return machine satisfies never;
  }
  if (!machine.ours) return refused(rising, now, notOurs(machine.id));
  if (state.machine === null) return adopt(machine.id, "a machine of our name exists", rising);
  switch (machine.phase) {
    case "up":
      return decideUp(state, machine, seen, now);
    case "launching":
    case "starting":
      return between(state, machine, rising, now);
    case "replacing":
    case "stopping":
    case "destroying":
      // What follows may be any state, and a wait for one of them would miss the others.
      return { ...between(state, machine, rising, now, SECOND_MS), on: "time" };
    case "down":
    case "failed":
      return decideDown(state, machine, now, rising);
    default:
      return machine.phase satisfies never;
  }
}

/** The machine is up; is it the right one, and does the gateway in it answer? */
function decideUp(state: InstanceState, machine: PresentMachine, seen: Observation, now: number): Decision {
  const update = updateIfOlder(state, machine, risingStatus(state), now);
  if (update !== null) return update;
  const { gateway } = seen;
  switch (gateway.kind) {
    case "ready":
      return settled("running", "the gateway answers ready");
    case "none":
      return waitForGateway(state, now, "the gateway was not asked", risingStatus(state));
    case "unknown":
      return decideSilent(state, now, gateway.why);
    case "starting":
      return waitForGateway(state, now, `the gateway is starting (${gateway.stage})`, risingStatus(state));
    case "degraded":
      return wait("time", now + RECHECK_MS, "the gateway is degraded", risingStatus(state), {
        code: "gateway_degraded",
        message: `The gateway can't start: it failed at the stage "${gateway.stage}".`,
      });
    default:
      return gateway satisfies never;
  }
}

/** An answer that did not come says nothing about a gateway that was ready before; silence that lasts does. */
function decideSilent(state: InstanceState, now: number, why: string): Decision {
  const silentSince = state.watched?.silentSince ?? now;
  if (now < silentSince + START_DEADLINE_MS) {
    if (state.status !== "running") return waitForGateway(state, now, why, risingStatus(state));
    return wait("time", now + RECHECK_MS, `unconfirmed: ${why}`, "running");
  }
  return wait("time", now + RECHECK_SLOW_MS, why, risingStatus(state), {
    code: "gateway_not_ready",
    message: `The machine is up, but its controller has been silent for ${START_DEADLINE_MS / MINUTE_MS} minutes.`,
  });
}

function waitForGateway(state: InstanceState, now: number, reason: string, status: Status): Decision {
  const deadline = startDeadline(state, now);
  if (now < deadline) return wait("gateway", deadline, reason, status);
  return wait("time", now + RECHECK_SLOW_MS, reason, status, {
    code: "gateway_not_ready",
    message: `The machine is up, but its gateway did not get ready in ${START_DEADLINE_MS / MINUTE_MS} minutes (${reason}).`,
  });
}

/** The machine is down though it is wanted: told first where it died, then brought up, within a bound. */
function decideDown(state: InstanceState, machine: PresentMachine, now: number, rising: Status): Decision {
  const exit = machine.exit === null ? "" : ` (${machine.exit})`;
  if (state.status === "running") {
    const message = `The machine went down on its own${exit}; it is started again.`;
    return down({ kind: "mark_down", forgetId: false, code: "machine_stopped", message }, "stopped");
  }
  const problem: Problem | null =
    state.bringUps.length === 0 || state.lastError?.code === "machine_stopped"
      ? state.lastError
      : { code: "machine_stopped", message: `The machine went down after it was brought up${exit}.` };
  return (
    updateIfOlder(state, machine, rising, now) ??
    tooManyBringUps(state, now, exit, rising, problem) ??
    step(
      { kind: "start_machine", id: machine.id },
      `it is ${machine.flyState}${exit} and wanted`,
      rising,
      problem,
    )
  );
}

/** A machine of another generation than the wanted one takes over the wanted configuration, up or down. */
function updateIfOlder(
  state: InstanceState,
  machine: PresentMachine,
  rising: Status,
  now: number,
): Decision | null {
  if (machine.generation === null || machine.generation === state.generation) return null;
  return (
    awaitEffect(state, "update_machine", rising, now) ??
    step(
      { kind: "update_machine", id: machine.id, generation: state.generation },
      `it has generation ${machine.generation}, ${state.generation} is wanted`,
      rising,
    )
  );
}

function createMachine(state: InstanceState, volume: ObservedVolume, now: number, rising: Status): Decision {
  const first = volumeFirst(state, volume, now, rising);
  if (first !== null) return first;
  if (volume.kind !== "present") return unknown(VOLUME_NOT_ASKED, rising, now);
  if (volume.attachedMachineId !== null) {
    const reason = `the volume is still bound to machine ${volume.attachedMachineId}`;
    return wait("time", now + RECHECK_MS, reason, rising, {
      code: "volume_busy",
      message: `The volume is bound to machine ${volume.attachedMachineId}, which this instance does not know.`,
    });
  }
  return (
    tooManyBringUps(state, now, "", rising, state.lastError) ??
    step(
      { kind: "create_machine", name: state.sandboxId, region: volume.region, volumeId: volume.id },
      "a machine is wanted and there is none",
      rising,
      state.lastError,
    )
  );
}

/** A volume of our own, before anything needs it; null when there is nothing to do about it. */
function volumeFirst(
  state: InstanceState,
  volume: ObservedVolume,
  now: number,
  status: Status,
): Decision | null {
  if (volume.kind === "unknown") return unknown(volume, status, now);
  if (volume.kind === "none") return unknown(VOLUME_NOT_ASKED, status, now);
  if (state.volume !== null) {
    if (volume.kind === "present") return null;
    if (notVisibleYet(state.volume, now)) {
      return wait("time", now + SECOND_MS, "the new volume is not visible yet", status);
    }
    return refused(status, now, {
      code: "volume_missing",
      message: `Fly no longer knows the volume ${state.volume.id}; nothing is made in its place.`,
    });
  }
  if (volume.kind === "present") {
    const { id, region } = volume;
    return step({ kind: "adopt_volume", id, region }, "a volume of our name exists", status);
  }
  if (openCreateMayAppear(state, "volume", now)) {
    return wait("time", now + SECOND_MS, "a volume may still appear", status);
  }
  const region = state.regions[0];
  if (region === undefined) {
    return refused(status, now, { code: "no_capacity", message: "No region is configured." });
  }
  return step(
    { kind: "create_volume", name: state.volumeName, region },
    "there is no volume yet",
    status,
    state.lastError,
  );
}

/** For minutes after a holder was destroyed, Fly may name it by characters that are no id (fly-machines-api.md F-18). */
function isMachineId(text: string): boolean {
  return /^[0-9a-z]+$/.test(text);
}

/** The machine that the record knows, or that an open create may have made, is not there. */
function absent(
  state: InstanceState,
  now: number,
  meanwhile: Status,
  after: Status,
  message: string,
): Decision {
  if (openCreateMayAppear(state, "machine", now) || notVisibleYet(state.machine, now)) {
    return wait("time", now + SECOND_MS, "the machine may still appear", meanwhile);
  }
  if (state.machine === null)
    return step({ kind: "clear_create" }, "the create left no machine behind", meanwhile);
  return down({ kind: "mark_down", forgetId: true, code: "machine_gone", message }, after);
}

/** The machine is between two states: Fly is waited for, up to a deadline, past which the user is told. */
function between(
  state: InstanceState,
  machine: PresentMachine,
  status: Status,
  now: number,
  recheckMs = RECHECK_MS,
): Extract<Decision, { kind: "wait" }> {
  const problem: Problem | null = isOverdue(state, now) ? wedged(machine.flyState) : null;
  return wait("machine", now + recheckMs, `the machine is ${machine.flyState}`, status, problem);
}

/** While it comes up: `starting` for a user who asked, `recovering` when it is brought back by itself. */
function risingStatus(state: InstanceState): Status {
  return state.status === "stopped" || state.status === "recovering" || state.status === "running"
    ? "recovering"
    : "starting";
}

function adopt(id: string, reason: string, status: Status): Decision {
  return step({ kind: "adopt_machine", id }, reason, status);
}
