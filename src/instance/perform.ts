import type { MachineTokens } from "../auth/machine-tokens.ts";
import type { FlyClient, FlyResult } from "../fly/client.ts";
import type { FlyError, FlyErrorKind } from "../fly/errors.ts";
import { guestOf, type MachineDefaults, machineRequest, VOLUME_SIZE_GB } from "./machine-request.ts";
import type { Outcome } from "./outcome.ts";
import type { InstanceState } from "./state.ts";
import type { Step } from "./step.ts";

export type PerformPorts = {
  fly: FlyClient;
  /** The tokens of this instance's machine. */
  tokens: (sandboxId: string) => Promise<MachineTokens>;
  machineDefaults: MachineDefaults;
};

/** Makes the step's one call to Fly and says what came of it. No meaningful choice is made here. */
export async function perform(state: InstanceState, step: Step, ports: PerformPorts): Promise<Outcome> {
  const { fly } = ports;
  const app = state.appName;
  switch (step.kind) {
    case "create_volume": {
      const result = await fly.createVolume(app, {
        name: step.name,
        region: step.region,
        size_gb: VOLUME_SIZE_GB,
        compute: guestOf(state.machineSize),
      });
      if (!result.ok) return outcomeOf(result.error);
      return { kind: "volume_created", id: result.value.id, region: result.value.region ?? step.region };
    }
    case "create_machine": {
      const request = await requestFor(state, step.volumeId, ports);
      const result = await fly.createMachine(app, { name: step.name, region: step.region, ...request });
      if (result.ok) return { kind: "machine_created", id: result.value.id };
      if (result.error.kind !== "name_taken") return outcomeOf(result.error);
      const { machineId } = result.error;
      // Somebody has the name; who, the look-up by name that follows an open create will tell.
      if (machineId === null) return { kind: "outcome_unknown", message: explain(result.error) };
      return { kind: "name_taken", machineId };
    }
    case "update_machine": {
      if (state.volume === null) {
        return { kind: "failed", code: "volume_missing", message: "No volume is known.", retryAfterMs: null };
      }
      return simple(await fly.updateMachine(app, step.id, await requestFor(state, state.volume.id, ports)));
    }
    case "start_machine":
      return simple(await fly.startMachine(app, step.id));
    case "stop_machine":
      return simple(await fly.stopMachine(app, step.id));
    case "destroy_machine":
      return goneIsDone(await fly.destroyMachine(app, step.id));
    case "delete_volume":
      return goneIsDone(await fly.deleteVolume(app, step.id));
    case "adopt_volume":
    case "adopt_machine":
    case "clear_create":
    case "mark_down":
    case "erase":
      return { kind: "done" };
    default:
      return step satisfies never;
  }
}

async function requestFor(state: InstanceState, volumeId: string, { tokens, machineDefaults }: PerformPorts) {
  return machineRequest(state, volumeId, await tokens(state.sandboxId), machineDefaults);
}

function simple(result: FlyResult<unknown>): Outcome {
  return result.ok ? { kind: "done" } : outcomeOf(result.error);
}

function goneIsDone(result: FlyResult<unknown>): Outcome {
  return !result.ok && result.error.kind === "not_found" ? { kind: "done" } : simple(result);
}

function outcomeOf(error: FlyError): Outcome {
  const message = explain(error);
  switch (error.kind) {
    case "unknown_outcome":
      return { kind: "outcome_unknown", message };
    case "no_capacity":
    case "quota":
      return { kind: "no_capacity", message };
    case "unauthorized":
      return { kind: "failed", code: "fly_unauthorized", message, retryAfterMs: null };
    case "rate_limited":
    case "leased":
      return { kind: "failed", code: "fly_busy", message, retryAfterMs: error.retryAfterMs };
    case "not_in_state":
    case "volume_bound":
    case "conflict":
      return { kind: "failed", code: "fly_busy", message, retryAfterMs: null };
    case "volume_missing":
      return { kind: "failed", code: "volume_missing", message, retryAfterMs: null };
    case "not_found":
    case "app_missing":
    case "name_taken":
    case "invalid":
      return { kind: "failed", code: "fly_refused", message, retryAfterMs: null };
    default:
      return error satisfies never;
  }
}

/**
 * What the user may read of it. Fly's own words stay in the operator's log: they name organisations, other holders of a lease,
 * and at times what was sent.
 */
function explain({ kind, status }: FlyError): string {
  return `${EXPLANATIONS[kind]}${status === null ? "" : ` (${status})`}.`;
}

const EXPLANATIONS: Record<FlyErrorKind, string> = {
  unknown_outcome: "Fly did not answer, or not in a way that tells what happened",
  no_capacity: "Fly has no room for it there",
  quota: "A quota at Fly is used up",
  unauthorized: "Fly refused the Worker's token",
  rate_limited: "Fly asks for fewer calls",
  leased: "The machine is held by another operation",
  not_in_state: "The machine is not in a state that allows it",
  volume_bound: "The volume is still bound to another machine",
  conflict: "Another operation was faster",
  volume_missing: "Fly does not know the volume",
  not_found: "Fly does not know the machine",
  app_missing: "Fly does not know the app",
  name_taken: "The machine's name is taken",
  invalid: "Fly refused the request",
};
