import { DEFAULT_MACHINE_SIZE } from "../machine-request.ts";
import type {
  MachinePhase,
  Observation,
  ObservedGateway,
  ObservedMachine,
  ObservedVolume,
} from "../observation.ts";
import { type InstanceState, newState } from "../state.ts";

export const NOW = 1_800_000_000_000;

/** A record with the fields that a test is about, and plain ones beside them. */
export function record(fields: Partial<InstanceState> = {}): InstanceState {
  const settings = {
    envVars: {},
    kilocodeApiKey: null,
    kilocodeDefaultModel: null,
    channels: { telegramBotToken: null, discordBotToken: null, slackBotToken: null, slackAppToken: null },
  };
  const fresh = newState(
    { userId: "user-1", sandboxId: "dXNlci0x", appName: "app", volumeName: "kc_volume" },
    { regions: ["ams", "fra"], machineSize: DEFAULT_MACHINE_SIZE, settings, fingerprint: "f1" },
    NOW,
  );
  return { ...fresh, ...fields };
}

export const knownMachine = { id: "m1", createdAt: NOW - 3_600_000, seen: true };
export const knownVolume = { id: "vol_1", region: "ams", createdAt: NOW - 3_600_000, seen: true };

export function machineIn(
  phase: MachinePhase,
  fields: Partial<Extract<ObservedMachine, { kind: "present" }>> = {},
): ObservedMachine {
  return {
    kind: "present",
    id: "m1",
    instanceId: "i1",
    phase,
    flyState: phase,
    ours: true,
    generation: 1,
    exit: null,
    ...fields,
  };
}

export const freeVolume: Extract<ObservedVolume, { kind: "present" }> = {
  kind: "present",
  id: "vol_1",
  region: "ams",
  attachedMachineId: null,
};

export function saw(
  machine: ObservedMachine,
  volume: ObservedVolume = { kind: "none" },
  gateway: ObservedGateway = { kind: "none" },
): Observation {
  return { machine, volume, gateway };
}
