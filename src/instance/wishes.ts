import {
  INVENTORY_AFTER_MS,
  type InstanceState,
  type Intent,
  type MachineSize,
  type Settings,
  type Status,
} from "./state.ts";

/** An app of a tenant's own that is still to be made. */
export function newOwnApp(orgSlug: string): NonNullable<InstanceState["ownApp"]> {
  return {
    orgSlug,
    stage: "wanted",
    renames: 0,
    madeAt: null,
    hasV4: false,
    hasV6: false,
    keyVersion: 1,
    secretsVersion: null,
    rekeyedFor: null,
  };
}

export type Identity = {
  userId: string;
  sandboxId: string;
  appName: string;
  ownApp: InstanceState["ownApp"];
  volumeName: string;
};

export type Wishes = {
  regions: string[];
  machineSize: MachineSize;
  sizeWished: boolean;
  settings: Settings;
  fingerprint: string;
};

/** The record of an instance that was asked for a moment ago. */
export function newState(identity: Identity, wishes: Wishes, now: number): InstanceState {
  return {
    version: 5,
    ...identity,
    ...wishes,
    settingsLost: false,
    fullRegions: [],
    capacityTries: 0,
    intent: "stopped",
    epoch: 1,
    generation: 1,
    generationBase: Math.floor(now),
    settingsOnlySince: 1,
    status: "provisioned",
    statusSince: now,
    lastError: null,
    recovery: null,
    machineNames: 0,
    nameConflicts: 0,
    machine: null,
    volume: null,
    candidate: null,
    leftovers: [],
    creating: null,
    doubtful: false,
    inventoryAt: now + INVENTORY_AFTER_MS,
    toldLossOf: null,
    swept: null,
    watched: null,
    ran: null,
    unanswered: null,
    applied: null,
    applying: null,
    accepted: null,
    pendingDestroyMachineId: null,
    pendingDestroyVolumeId: null,
    bringUps: [],
    failures: 0,
    retryAt: null,
    provisionedAt: now,
    lastStartedAt: null,
    lastStoppedAt: null,
  };
}

/**
 * A user's operation: the new intent, and a fresh start for every cooldown, since a person who asks is not to
 * wait for a pause that only protects the cloud from our own repetition.
 */
export function withIntent(state: InstanceState, intent: Intent, now: number): InstanceState {
  const asked: InstanceState = {
    ...state,
    intent,
    epoch: state.epoch + 1,
    bringUps: [],
    capacityTries: 0,
    failures: 0,
    retryAt: null,
    lastError: null,
    unanswered: null,
    applying: null,
    accepted: null,
    recovery: state.recovery === null ? null : { ...state.recovery, adoptsIntent: false, mayEnd: false },
  };
  switch (intent) {
    case "running":
      return state.status === "running" ? asked : withStatus(asked, "starting", now);
    case "stopped":
      return state.status === "provisioned" || state.status === "stopped"
        ? asked
        : withStatus(asked, "stopping", now);
    case "destroyed":
      return {
        ...withStatus(asked, "destroying", now),
        // A destroy looks for everything of the instance anyway, and does not believe its first look.
        recovery: null,
        doubtful: state.doubtful || state.recovery !== null,
        pendingDestroyMachineId: state.machine?.id ?? state.pendingDestroyMachineId,
        pendingDestroyVolumeId: state.volume?.id ?? state.pendingDestroyVolumeId,
      };
    default:
      return intent satisfies never;
  }
}

/**
 * A new generation of the machine's configuration: a machine of an older one is updated, and restarted by that. Where nothing but
 * settings is new, a machine that runs may take them over as it is.
 */
export function withNewGeneration(
  state: InstanceState,
  fingerprint: string,
  isSettingsOnly = false,
): InstanceState {
  const generation = state.generation + 1;
  const settingsOnlySince = isSettingsOnly ? state.settingsOnlySince : generation;
  return { ...state, generation, settingsOnlySince, fingerprint, epoch: state.epoch + 1, accepted: null };
}

/** The record with another status, and since when; the same record where nothing changes. */
export function withStatus(state: InstanceState, status: Status, now: number): InstanceState {
  return state.status === status ? state : { ...state, status, statusSince: now };
}
