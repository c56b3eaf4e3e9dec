import type { Observation, ObservedMachine, ObservedVolume } from "./observation.ts";
import type { InstanceState, Status } from "./state.ts";
import type { Awaited, Decision, Problem, Step } from "./step.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Cold image pulls of up to 70 s and gateways of up to 30 s were measured; what takes longer than this is told. */
export const START_DEADLINE_MS = 5 * MINUTE_MS;
/** Fly's own threshold for a machine stuck between two states (docs: machines/machine-states). */
const TRANSITION_DEADLINE_MS = 5 * MINUTE_MS;
/** A fresh resource may not be visible at once (fly-machines-api.md F-05): so long its absence is not believed. */
export const VISIBILITY_GRACE_MS = 15 * SECOND_MS;
/** Starts and creates an hour for one wish of the user; a crash loop ends there. */
export const BRING_UPS_PER_HOUR = 6;
/** Between the user's own start and the first by ourselves: time for Fly to show what the start did. */
const BRING_UP_PAUSE_MS_FIRST = SECOND_MS;
/** Between later ones; it doubles. */
const BRING_UP_PAUSE_MS = 5 * SECOND_MS;
const BRING_UP_PAUSE_MS_MAX = 5 * MINUTE_MS;
/** How long a pass sleeps on a wait that nothing it can subscribe to will end. */
const RECHECK_MS = 10 * SECOND_MS;
const RECHECK_SLOW_MS = MINUTE_MS;

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
  if (machine.kind === "unknown") return unknown(machine.why, status, now);
  if (machine.kind === "present") {
    if (machine.ours === false) {
      return refused(status, now, notOurs(machine.id));
    }
    if (machine.phase === "destroying") {
      return overdue(state, now)
        ? wait(
            "time",
            now + RECHECK_SLOW_MS,
            "the machine is still being destroyed",
            status,
            wedged(machine.flyState),
          )
        : wait("machine", now + RECHECK_SLOW_MS, "the machine is being destroyed", status);
    }
    return step({ kind: "destroy_machine", id: machine.id }, "the instance is to go", status);
  }
  if (openCreateMayAppear(state, "machine", now) || notVisibleYet(state.machine, now)) {
    return wait("time", now + SECOND_MS, "a machine may still appear", status);
  }
  if (volume.kind === "unknown") return unknown(volume.why, status, now);
  if (volume.kind === "present") {
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
      return unknown(machine.why, state.status, now);
    case "none":
      return volumeFirst(state, seen.volume, now, atRest) ?? settled(atRest, "no machine is wanted");
    case "absent":
      if (openCreateMayAppear(state, "machine", now)) {
        return wait("time", visibleFrom(state), "a machine may still appear", state.status);
      }
      if (notVisibleYet(state.machine, now)) {
        return wait("time", now + SECOND_MS, "the new machine is not visible yet", state.status);
      }
      if (state.machine !== null) {
        return step(
          {
            kind: "mark_down",
            forgetId: true,
            code: "machine_gone",
            message: "Fly no longer knows the machine.",
          },
          "the machine is gone while it was not wanted",
          "stopped",
        );
      }
      return step({ kind: "clear_create" }, "the create left no machine behind", state.status);
    case "present":
      break;
    default:
      return machine satisfies never;
  }
  if (machine.ours === false) return refused(state.status, now, notOurs(machine.id));
  if (state.machine === null) return adopt(machine.id, state.status);
  switch (machine.phase) {
    case "launching":
    case "starting":
    case "up":
      return step(
        { kind: "stop_machine", id: machine.id },
        `it is ${machine.flyState} and not wanted`,
        "stopping",
      );
    case "stopping":
    case "replacing":
    case "destroying":
      return wait(
        "machine",
        now + RECHECK_MS,
        `the machine is ${machine.flyState}`,
        "stopping",
        overdue(state, now) ? wedged(machine.flyState) : null,
      );
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
      return unknown(machine.why, state.status, now);
    case "none":
      return createMachine(state, seen.volume, now, rising);
    case "absent":
      if (openCreateMayAppear(state, "machine", now)) {
        return wait("time", visibleFrom(state), "a machine may still appear", rising);
      }
      if (state.machine !== null) {
        if (notVisibleYet(state.machine, now)) {
          return wait("time", now + SECOND_MS, "the new machine is not visible yet", rising);
        }
        const message = "Fly no longer knows the machine; it is made anew on its volume.";
        return down({ kind: "mark_down", forgetId: true, code: "machine_gone", message });
      }
      return step({ kind: "clear_create" }, "the create left no machine behind", rising);
    case "present":
      break;
    default:
      return machine satisfies never;
  }
  if (machine.ours === false) return refused(rising, now, notOurs(machine.id));
  if (state.machine === null) return adopt(machine.id, rising);
  switch (machine.phase) {
    case "up":
      return decideUp(state, machine, seen, now);
    case "launching":
    case "starting":
    case "replacing":
      return wait(
        "machine",
        now + RECHECK_MS,
        `the machine is ${machine.flyState}`,
        rising,
        overdue(state, now) ? wedged(machine.flyState) : null,
      );
    case "stopping":
    case "destroying":
      return wait("machine", now + RECHECK_MS, `the machine is ${machine.flyState}`, state.status);
    case "down":
    case "failed":
      return decideDown(state, machine, now, rising);
    default:
      return machine.phase satisfies never;
  }
}

/** The machine is up; is it the right one, and does the gateway in it answer? */
function decideUp(
  state: InstanceState,
  machine: Extract<ObservedMachine, { kind: "present" }>,
  seen: Observation,
  now: number,
): Decision {
  if (machine.generation !== null && machine.generation < state.generation) {
    return step(
      { kind: "update_machine", id: machine.id, generation: state.generation },
      `it runs generation ${machine.generation}, ${state.generation} is wanted`,
      risingStatus(state),
    );
  }
  const { gateway } = seen;
  switch (gateway.kind) {
    case "ready":
      return settled("running", "the gateway answers ready");
    case "none":
    case "unknown": {
      const why = gateway.kind === "unknown" ? gateway.why : "the gateway was not asked";
      // An answer that did not come says nothing about a gateway that was ready before.
      if (state.status === "running") return settled("running", `unconfirmed: ${why}`);
      return waitForGateway(state, now, why, null);
    }
    case "starting":
      return waitForGateway(state, now, `the gateway is starting (${gateway.stage})`, null);
    case "degraded":
      return waitForGateway(state, now, "the gateway is degraded", {
        code: "gateway_degraded",
        message: `The gateway can't start: it failed at the stage "${gateway.stage}".`,
      });
    default:
      return gateway satisfies never;
  }
}

function waitForGateway(
  state: InstanceState,
  now: number,
  reason: string,
  problem: Problem | null,
): Decision {
  const status = risingStatus(state);
  if (problem !== null) return wait("time", now + RECHECK_MS, reason, status, problem);
  if (!overdue(state, now, START_DEADLINE_MS)) {
    return wait("gateway", state.statusSince + START_DEADLINE_MS, reason, status);
  }
  return wait("time", now + RECHECK_SLOW_MS, reason, status, {
    code: "gateway_not_ready",
    message: `The machine is up, but its gateway did not get ready in ${START_DEADLINE_MS / MINUTE_MS} minutes (${reason}).`,
  });
}

/** The machine is down though it is wanted: told first where it died, then brought up, within a bound. */
function decideDown(
  state: InstanceState,
  machine: Extract<ObservedMachine, { kind: "present" }>,
  now: number,
  rising: Status,
): Decision {
  const exit = machine.exit === null ? "" : ` (${machine.exit})`;
  if (state.status === "running") {
    const message = `The machine went down on its own${exit}; it is started again.`;
    return down({ kind: "mark_down", forgetId: false, code: "machine_stopped", message });
  }
  if (machine.generation !== null && machine.generation < state.generation) {
    return step(
      { kind: "update_machine", id: machine.id, generation: state.generation },
      `it has generation ${machine.generation}, ${state.generation} is wanted`,
      rising,
    );
  }
  return (
    tooManyBringUps(state, now, exit, rising) ??
    step(
      { kind: "start_machine", id: machine.id },
      `it is ${machine.flyState}${exit} and wanted`,
      rising,
      state.lastError,
    )
  );
}

function createMachine(state: InstanceState, volume: ObservedVolume, now: number, rising: Status): Decision {
  const first = volumeFirst(state, volume, now, rising);
  if (first !== null) return first;
  if (volume.kind !== "present") return unknown("the volume was not asked for", rising, now);
  if (volume.attachedMachineId !== null) {
    return wait("time", now + RECHECK_MS, `the volume is still bound to ${volume.attachedMachineId}`, rising);
  }
  return (
    tooManyBringUps(state, now, "", rising) ??
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
  if (state.volume === null) {
    switch (volume.kind) {
      case "unknown":
        return unknown(volume.why, status, now);
      case "present":
        return step(
          { kind: "adopt_volume", id: volume.id, region: volume.region },
          "a volume of our name exists",
          status,
        );
      case "none":
      case "absent": {
        if (openCreateMayAppear(state, "volume", now)) {
          return wait("time", visibleFrom(state), "a volume may still appear", status);
        }
        const region = state.regions[0];
        if (region === undefined)
          return refused(status, now, { code: "no_capacity", message: "No region is configured." });
        return step(
          { kind: "create_volume", name: state.volumeName, region },
          "there is no volume yet",
          status,
        );
      }
      default:
        return volume satisfies never;
    }
  }
  if (volume.kind === "unknown") return unknown(volume.why, status, now);
  if (volume.kind === "absent") {
    if (notVisibleYet(state.volume, now)) {
      return wait("time", now + SECOND_MS, "the new volume is not visible yet", status);
    }
    return refused(status, now, {
      code: "volume_missing",
      message: `Fly no longer knows the volume ${state.volume.id}; nothing is made in its place.`,
    });
  }
  return null;
}

function tooManyBringUps(state: InstanceState, now: number, exit: string, rising: Status): Decision | null {
  const recent = state.bringUps.filter((at) => at > now - HOUR_MS);
  const latest = recent.at(-1);
  const oldest = recent[0];
  if (latest === undefined || oldest === undefined) return null;
  if (recent.length >= BRING_UPS_PER_HOUR) {
    return wait("time", oldest + HOUR_MS, "it went down too often", "stopped", {
      code: "gave_up",
      message: `The machine was brought up ${recent.length} times within an hour and went down each time${exit}.`,
    });
  }
  const pause =
    recent.length === 1
      ? BRING_UP_PAUSE_MS_FIRST
      : Math.min(BRING_UP_PAUSE_MS * 2 ** (recent.length - 2), BRING_UP_PAUSE_MS_MAX);
  if (latest + pause <= now) return null;
  return wait("machine", latest + pause, "a pause before the next try", rising, state.lastError);
}

/** While it comes up: `starting` for a user who asked, `recovering` when it is brought back by itself. */
function risingStatus(state: InstanceState): Status {
  return state.status === "stopped" || state.status === "recovering" || state.status === "running"
    ? "recovering"
    : "starting";
}

function openCreateMayAppear(state: InstanceState, kind: "machine" | "volume", now: number): boolean {
  return state.creating?.kind === kind && now < visibleFrom(state);
}

/** A resource that we made a moment ago and that has not shown itself: its absence is not believed. */
function notVisibleYet(resource: { createdAt: number; seen: boolean } | null, now: number): boolean {
  return resource !== null && !resource.seen && now < resource.createdAt + VISIBILITY_GRACE_MS;
}

function visibleFrom(state: InstanceState): number {
  return (state.creating?.since ?? 0) + VISIBILITY_GRACE_MS;
}

function overdue(state: InstanceState, now: number, deadlineMs = TRANSITION_DEADLINE_MS): boolean {
  return now >= state.statusSince + deadlineMs;
}

function wedged(flyState: string): Problem {
  return {
    code: "machine_wedged",
    message: `Fly has kept the machine in "${flyState}" for over five minutes.`,
  };
}

function notOurs(id: string): Problem {
  return {
    code: "machine_not_ours",
    message: `Machine ${id} has our name but not this tenant's metadata; it is left alone.`,
  };
}

function adopt(id: string, status: Status): Decision {
  return step({ kind: "adopt_machine", id }, "a machine of our name exists", status);
}

function down(mark: Extract<Step, { kind: "mark_down" }>): Decision {
  return step(mark, mark.message, "stopped", { code: mark.code, message: mark.message });
}

function unknown(why: string, status: Status, now: number): Decision {
  const problem: Problem = { code: "fly_unreachable", message: why };
  return { kind: "wait", on: "time", until: now, reason: `not known: ${why}`, status, problem, failed: true };
}

function refused(status: Status, now: number, problem: Problem): Decision {
  return wait("time", now + RECHECK_SLOW_MS, problem.message, status, problem);
}

function step(step: Step, reason: string, status: Status, problem: Problem | null = null): Decision {
  return { kind: "step", step, reason, status, problem };
}

function settled(status: Status, reason: string): Decision {
  return { kind: "settled", status, reason, problem: null };
}

function wait(
  on: Awaited,
  until: number,
  reason: string,
  status: Status,
  problem: Problem | null = null,
): Decision {
  return { kind: "wait", on, until, reason, status, problem, failed: false };
}
