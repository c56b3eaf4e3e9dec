import { isOverdue, notVisibleYet, lookAgainAt, openCreateMayAppear } from "../patience.ts";
import { down, RECHECK_MS, refused, step, wait, wedged } from "../decisions.ts";
import type { Observation, PresentMachine } from "../observation.ts";
import { VOLUME_SIZE_GB } from "../sizes.ts";
import { type InstanceState, LEFTOVERS_MAX, type Status } from "../state.ts";
import type { Decision, Problem } from "../step.ts";

/** The same refusal in a row, over some two minutes (fly-machines-api.md §4.5), after which the machine is wedged (F-10). */
const REFUSALS_MAX = 8;

/**
 * A machine that carries our name is ours when its metadata and its volume say so; null for one that was compared already.
 * One on another volume is stale: it goes, and the next pass makes one afresh.
 */
export function verifyMachine(
  state: InstanceState,
  machine: PresentMachine,
  status: Status,
  now: number,
): Decision | null {
  if (state.machine?.verified === true && state.machine.id === machine.id) return null;
  const { mount, id, instanceId, size, generation } = machine;
  if (mount !== null && isOurVolume(state, mount.volumeId)) {
    // A machine of an older configuration has the size of that one; the newer wish stands.
    const kept = generation === state.generation || generation === null ? size : null;
    const { volumeId } = mount;
    return step(
      { kind: "adopt_machine", id, instanceId, generation, volumeId, size: kept },
      "it is ours",
      status,
    );
  }
  return destroyStale(state, machine, "it has our name, but not our volume", status, now);
}

/** Destroys a machine that is in the way, with its data kept on the volume. */
export function destroyStale(
  state: InstanceState,
  machine: PresentMachine,
  reason: string,
  status: Status,
  now: number,
  problem: Problem | null = state.lastError,
): Decision {
  if (machine.phase === "destroying") return between(state, machine, status, now);
  // An unknown id is stored first, so that what is destroyed is watched until it is gone.
  if (state.machine?.id !== machine.id)
    return step({ kind: "note_machine", id: machine.id }, reason, status, problem);
  return step({ kind: "destroy_machine", id: machine.id }, reason, status, problem);
}

/**
 * The machine is between two states: Fly is waited for up to a deadline. Past it the machine is destroyed by force, and one that
 * can't even be destroyed is given up, so that another takes its place.
 */
export function between(
  state: InstanceState,
  machine: PresentMachine,
  status: Status,
  now: number,
  recheckMs = RECHECK_MS,
): Decision {
  const reason = `the machine is ${machine.flyState}`;
  if (!isOverdue(state, machine.phase, now)) {
    return wait(
      "machine",
      now + recheckMs,
      reason,
      status,
      state.lastError?.code === "machine_wedged" ? state.lastError : null,
    );
  }
  const problem = wedged(machine.flyState);
  if (machine.phase !== "destroying")
    return destroyStale(state, machine, `${reason} for too long`, status, now, problem);
  return giveUp(state, machine.id, `${reason} for too long`, status, now, problem);
}

/** Whether Fly has refused a start, stop or update for longer than a state in between explains. */
export function isRefusedForLong({ lastError }: InstanceState): boolean {
  return lastError?.code === "machine_busy" && lastError.attempts >= REFUSALS_MAX;
}

/** Leaves a machine that can't be destroyed for now to be destroyed later, while there is room to remember it. */
export function giveUp(
  state: InstanceState,
  id: string,
  reason: string,
  status: Status,
  now: number,
  problem: Problem,
): Decision {
  if (state.leftovers.length >= LEFTOVERS_MAX) return refused(status, now, problem);
  return step({ kind: "give_up_machine", id }, reason, status, problem);
}

/** The machine that the record knows, or that an open create may have made, is not there. */
export function absentMachine(
  state: InstanceState,
  { askedAt }: Observation,
  now: number,
  meanwhile: Status,
  after: Status,
  message: string,
): Decision {
  if (notVisibleYet(state.machine, askedAt) || openCreateMayAppear(state, "machine")) {
    return wait("time", lookAgainAt(state, now), "the machine may still appear", meanwhile, state.lastError);
  }
  if (state.machine === null) {
    // Another kind of create is its own rule's to end.
    return state.creating?.kind === "machine"
      ? step({ kind: "clear_create" }, "the create left no machine behind", meanwhile, state.lastError)
      : wait("time", lookAgainAt(state, now), "another create is open", meanwhile, state.lastError);
  }
  if (state.accepted?.kind === "destroy_machine") {
    return step({ kind: "forget_machine" }, "it was destroyed on purpose", meanwhile, state.lastError);
  }
  if (!state.machine.verified) {
    return down(
      {
        kind: "mark_down",
        forgetId: true,
        code: "name_taken",
        message: `Fly says that machine ${state.machine.id} has our name, but does not know it.`,
      },
      meanwhile,
    );
  }
  return down({ kind: "mark_down", forgetId: true, code: "machine_gone", message }, after);
}

/** Whether it is the volume of the instance, or the one that is about to become it. */
export function isOurVolume({ volume, candidate }: InstanceState, id: string): boolean {
  return volume?.id === id || candidate?.id === id;
}

/** What the machine mounts is gone, and a volume of our name that it mounts has taken its place: a migration of Fly's. */
export function followMigration(
  state: InstanceState,
  machine: PresentMachine,
  { volume }: Observation,
  status: Status,
): Decision | null {
  const { mount } = machine;
  if (mount === null || volume.kind !== "present" || volume.id !== mount.volumeId) return null;
  if (volume.id === state.volume?.id) return null;
  const { id, region, sizeGb } = volume;
  return step(
    {
      kind: "adopt_volume",
      id,
      region,
      sizeGb: sizeGb ?? VOLUME_SIZE_GB,
      hasData: true,
      replacesLost: false,
    },
    "Fly moved the machine's volume",
    status,
  );
}
