import { step, unknown, wedged } from "../decisions.ts";
import type { Observation, PresentMachine } from "../observation.ts";
import { tooManyBringUps } from "../patience.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision, Problem, Step } from "../step.ts";
import { destroyStale, isOurVolume, isRefusedForLong } from "./machine.ts";
import { VOLUME_NOT_ASKED, volumeFirst } from "./storage.ts";

/** Tries on a full host before the machine moves away from it (fly-machines-api.md F-20). */
const FULL_HOST_TRIES = 2;

/** A machine of another generation than the wanted one takes over the wanted configuration, up or down. */
export function updateIfOlder(
  state: InstanceState,
  machine: PresentMachine,
  rising: Status,
  now: number,
): Decision | null {
  if (machine.generation === null || machine.generation === state.generation) return null;
  // What a recovery could not read would be overwritten with nothing.
  if (state.settingsLost) return null;
  if (isRefusedForLong(state)) {
    return destroyStale(state, machine, "it refuses its update", rising, now, wedged(machine.flyState));
  }
  if (machine.phase === "up" && hasNoRoom(state)) {
    return step(
      { kind: "stop_machine", id: machine.id },
      "its host has no room for its update",
      rising,
      state.lastError,
    );
  }
  const held = tooManyBringUps(state, now, "", rising, state.lastError);
  // One that is up and never shows what it was given goes on with what it has.
  if (held?.status === "stopped" && machine.phase === "up") return null;
  const reason = `it has generation ${machine.generation}, ${state.generation} is wanted`;
  return held ?? step(update(state, machine, false), reason, rising, state.lastError);
}

/** Whether the host of the volume had no room, more often than a short pause explains. */
export function hasNoRoom(state: InstanceState): boolean {
  return state.capacityTries >= FULL_HOST_TRIES;
}

/** It keeps the size that it has, and the metadata that others gave it. */
function update(state: InstanceState, machine: PresentMachine, remounts: boolean): Step {
  const { id, metadata, mount } = machine;
  const mountOptions = mount?.options ?? {};
  const size = state.sizeWished ? state.machineSize : (machine.size ?? state.machineSize);
  return { kind: "update_machine", id, generation: state.generation, size, metadata, mountOptions, remounts };
}

/**
 * A wrong mount: stop, update, start. Fly does not let an update change the volume itself (fly-machines-api.md §4.4), so a
 * machine that stays wrong after one is destroyed and made anew on the right volume.
 */
export function setMountRight(
  state: InstanceState,
  machine: PresentMachine,
  seen: Observation,
  now: number,
  rising: Status,
): Decision | null {
  const { mount } = machine;
  if (mount !== null && mount.isRightPath && isOurVolume(state, mount.volumeId)) return null;
  const { volume } = seen;
  if (volume.kind === "unknown") return unknown(volume, rising, now);
  if (volume.kind === "absent") return onLostVolume(state, machine, seen, now, rising);
  const problem: Problem = {
    code: "mount_wrong",
    message: "The machine did not have its volume where it belongs.",
  };
  switch (machine.phase) {
    case "launching":
    case "starting":
    case "up":
      return step({ kind: "stop_machine", id: machine.id }, "its mount is wrong", rising, problem);
    case "down":
    case "failed":
      if (state.machine?.remounted === true) {
        return destroyStale(state, machine, "its mount stays wrong", rising, now, problem);
      }
      return step(update(state, machine, true), "its mount is wrong", rising, problem);
    case "stopping":
    case "replacing":
    case "destroying":
      return null;
    default:
      return machine.phase satisfies never;
  }
}

/** A mount can't be changed to another volume, so the machine goes before its lost volume is replaced. */
export function onLostVolume(
  state: InstanceState,
  machine: PresentMachine,
  seen: Observation,
  now: number,
  rising: Status,
): Decision {
  const first = volumeFirst(state, seen, now, rising) ?? unknown(VOLUME_NOT_ASKED, rising, now);
  const isReplaced = first.kind === "step" && REPLACES_VOLUME.has(first.step.kind);
  return isReplaced ? destroyStale(state, machine, "its volume is gone", rising, now) : first;
}

const REPLACES_VOLUME: ReadonlySet<Step["kind"]> = new Set(["create_volume", "adopt_volume"]);
