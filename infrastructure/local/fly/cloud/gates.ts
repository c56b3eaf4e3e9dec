import { Refusal } from "../refusal.ts";
import type { Machine, MachineState } from "../state/model.ts";

/**
 * Whether a machine in its present state takes an operation; if not, Fly's status and words for it. Tables of
 * contracts/fly-machines-api §4.4 to §4.11. Pure.
 */
export const gates = {
  start(machine: Machine): Refusal | "already_started" | undefined {
    switch (machine.state) {
      case "stopped":
      case "suspended":
      case "suspending":
      case "failed":
        return undefined;
      case "started":
        return "already_started";
      case "created":
        return machine.prepared ? undefined : wrongState("start", machine.state);
      case "starting":
      case "restarting":
        return new Refusal(409, "aborted: machine still attempting to start");
      case "replacing":
      case "stopping":
      case "destroying":
      case "destroyed":
        return wrongState("start", machine.state);
      default:
        return machine.state satisfies never;
    }
  },

  stop(machine: Machine): Refusal | "already_stopped" | undefined {
    switch (machine.state) {
      case "created":
      case "starting":
      case "started":
      case "restarting":
      case "stopping":
      case "suspending":
      case "suspended":
      case "failed":
        return undefined;
      case "stopped":
        return "already_stopped";
      case "replacing":
      case "destroying":
      case "destroyed":
        return wrongState("stop", machine.state);
      default:
        return machine.state satisfies never;
    }
  },

  /** Suspend, restart, signal and exec need a running machine. */
  running(machine: Machine, verb: "suspend" | "restart" | "signal" | "exec"): Refusal | undefined {
    return machine.state === "started" ? undefined : wrongState(verb, machine.state);
  },

  update(machine: Machine): Refusal | undefined {
    switch (machine.state) {
      case "replacing":
        return new Refusal(409, "aborted: machine update failed due to concurrent update");
      case "destroying":
      case "destroyed":
        return new Refusal(404, "machine not found");
      case "created":
      case "starting":
      case "started":
      case "stopping":
      case "stopped":
      case "restarting":
      case "suspending":
      case "suspended":
      case "failed":
        return undefined;
      default:
        return machine.state satisfies never;
    }
  },

  delete(machine: Machine, force: boolean): Refusal | "already_deleted" | undefined {
    switch (machine.state) {
      case "destroying":
      case "destroyed":
        return "already_deleted";
      case "stopped":
      case "suspended":
      case "failed":
      case "created":
        return undefined;
      case "starting":
      case "started":
      case "stopping":
      case "restarting":
      case "suspending":
      case "replacing":
        return force
          ? undefined
          : new Refusal(
              412,
              "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created",
            );
      default:
        return machine.state satisfies never;
    }
  },
};

function wrongState(verb: string, state: MachineState): Refusal {
  return new Refusal(412, `failed_precondition: unable to ${verb} machine from current state: '${state}'`);
}
