import { DEFAULT_MACHINE_SIZE } from "../machine-request.ts";
import {
  type MachinePhase,
  NOTHING_ASKED,
  type Observation,
  type ObservedGateway,
  type ObservedMachine,
  type ObservedVolume,
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
    { userId: "user-1", sandboxId: "dXNlci0x", appName: "app", ownApp: null, volumeName: "kc_volume" },
    { regions: ["ams", "fra"], machineSize: DEFAULT_MACHINE_SIZE, settings, fingerprint: "f1" },
    NOW,
  );
  return { ...fresh, ...fields };
}

export const knownMachine = {
  id: "m1",
  createdAt: NOW - 3_600_000,
  seen: true,
  verified: true,
  remounted: false,
};
export const knownVolume = {
  id: "vol_1",
  region: "ams",
  createdAt: NOW - 3_600_000,
  seen: true,
  hasData: true,
  missingSince: null,
};

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
    mount: { volumeId: "vol_1", isRightPath: true },
    size: DEFAULT_MACHINE_SIZE,
    exit: null,
    createdAt: "2026-11-01T10:00:00Z",
    ...fields,
  };
}

export const freeVolume: Extract<ObservedVolume, { kind: "present" }> = {
  kind: "present",
  id: "vol_1",
  region: "ams",
  hasData: true,
  isReachable: true,
  holder: null,
  snapshot: null,
};

export function saw(
  machine: ObservedMachine,
  volume: ObservedVolume = { kind: "none" },
  gateway: ObservedGateway = { kind: "none" },
): Observation {
  return { ...NOTHING_ASKED, machine, volume, gateway };
}
