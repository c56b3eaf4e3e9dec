import { type Drift, driftOf } from "./drift.ts";
import type { InstanceEvent } from "./events.ts";
import type {
  InstanceState,
  LastError,
  MachineSize,
  ProblemCode,
  Ran,
  SecretValue,
  Status,
} from "./state.ts";

type Channels = InstanceState["settings"]["channels"];

type SettingsFields = {
  kilocodeApiKey?: SecretValue | null | undefined;
  kilocodeDefaultModel?: string | null | undefined;
  channels?: { [Channel in keyof Channels]?: Channels[Channel] } | undefined;
};

/** What the platform may say of an instance at provision; absent keeps what is stored. Already validated. */
export type ProvisionRequest = SettingsFields & {
  userId: string;
  envVars?: Record<string, string> | undefined;
  /** JWEs by the variable that each becomes. */
  encryptedSecrets?: Record<string, string> | undefined;
  machineSize?: MachineSize | undefined;
  region?: string | undefined;
};

/** Changed settings of an instance that exists: absent keeps, null removes, a value sets. Already validated. */
export type SettingsPatch = SettingsFields & {
  encryptedSecrets?: Record<string, string | null> | undefined;
};

/** What is wrong with a field, never its value. */
export type SecretIssue = { path: string; message: string };

/** Why an operation was not carried out; nothing was changed. */
export type Refusal =
  | { kind: "not_provisioned" }
  | { kind: "destroying" }
  | { kind: "misconfigured" }
  | { kind: "state_unreadable" }
  /** There is no record, and whether there should be one can't be told. */
  | { kind: "registry_unreachable" };

/** Why settings were not taken; nothing was changed. */
export type SettingsRefusal =
  /** Sealed values that no machine could be started with. */
  | { kind: "invalid_secrets"; issues: SecretIssue[] }
  /** There are sealed values, and the Worker has no private key. */
  | { kind: "no_secrets_key" }
  /** Stored values of these variables are sealed for a key that the Worker no longer has. */
  | { kind: "secrets_unreadable"; names: string[] }
  | { kind: "settings_too_large" }
  /** What is stored of the settings is not known yet, so that nothing can be changed in them. */
  | { kind: "recovering" }
  /** What was stored of the settings can't be had again; only a provision with all of them helps. */
  | { kind: "settings_lost" };

export type ProvisionResult =
  | { kind: "provisioned"; sandboxId: string; status: Status }
  | Refusal
  | SettingsRefusal;

/**
 * How an operation stands when its bound is over. The intent is stored in every case but a refusal, and the alarm
 * carries on; `hindered` tells what is in the way, and when it is tried again.
 */
export type OperationResult =
  | { kind: "settled"; status: Status }
  | { kind: "under_way"; status: Status }
  | { kind: "hindered"; status: Status; code: ProblemCode; message: string; nextTryAt: number | null }
  | Refusal;

/** How an operation on the settings stands. */
export type SettingsResult = OperationResult | SettingsRefusal;

/** The platform's view; instants are ISO 8601. Every field is null for a user without an instance. */
export type StatusView = {
  userId: string | null;
  sandboxId: string | null;
  status: Status | null;
  flyAppName: string | null;
  flyMachineId: string | null;
  flyVolumeId: string | null;
  flyRegion: string | null;
  provisionedAt: string | null;
  lastStartedAt: string | null;
  lastStoppedAt: string | null;
  lastError: {
    code: ProblemCode;
    message: string;
    at: string;
    attempts: number;
    nextTryAt: string | null;
  } | null;
  /** What runs in the machine, as its controller said since it came up last, confirmed by Fly. */
  version: { controller: string; openclaw: string | null; imageDigest: string | null; at: string } | null;
  /** Where what runs is not what it should be. */
  drift: Drift[] | null;
};

export type StatusResult = { kind: "status"; view: StatusView } | { kind: "state_unreadable" };

/** What the user set, without a single value of a secret. */
export type ConfigView = {
  machineSize: MachineSize;
  kilocodeDefaultModel: string | null;
  kilocodeApiKeySet: boolean;
  envVarNames: string[];
  secretNames: string[];
  channels: { telegram: boolean; discord: boolean; slack: boolean };
};

export type ConfigResult = { kind: "config"; view: ConfigView } | Refusal;
export type EventsResult = { kind: "events"; events: InstanceEvent[] } | { kind: "state_unreadable" };

/** Where a request of the user goes; only a running instance has a route. */
export type RouteResult =
  | { kind: "route"; appName: string; machineId: string; sandboxId: string; epoch: number }
  | { kind: "not_running"; status: Status; lastError: StatusView["lastError"] }
  | Refusal;

/** By what an instance's token and snapshots are found. While the record is recovered, its volume is not known yet. */
export type NamesResult =
  | { kind: "names"; sandboxId: string; appName: string; volumeId: string | null; isRecovering: boolean }
  | Refusal;

/** The platform's view of a record; all null where there is none. */
export function statusViewOf(state: InstanceState | null): StatusView {
  return {
    userId: state?.userId ?? null,
    sandboxId: state?.sandboxId ?? null,
    status: state?.status ?? null,
    flyAppName: state?.appName ?? null,
    flyMachineId: state?.machine?.id ?? null,
    flyVolumeId: state?.volume?.id ?? null,
    flyRegion: state?.volume?.region ?? null,
    provisionedAt: isoOf(state?.provisionedAt ?? null),
    lastStartedAt: isoOf(state?.lastStartedAt ?? null),
    lastStoppedAt: isoOf(state?.lastStoppedAt ?? null),
    lastError: errorViewOf(state?.lastError ?? null),
    version: versionViewOf(state?.ran ?? null),
    drift: state === null ? null : driftOf(state),
  };
}

function versionViewOf(ran: Ran | null): StatusView["version"] {
  if (ran === null || ran.said === null) return null;
  const { controller, openclaw } = ran.said;
  return { controller, openclaw, imageDigest: ran.image.running, at: new Date(ran.at).toISOString() };
}

/** What the user set, by names and whether, never by value. */
export function configViewOf({ machineSize, settings }: InstanceState): ConfigView {
  const { channels } = settings;
  return {
    machineSize,
    kilocodeDefaultModel: settings.kilocodeDefaultModel,
    kilocodeApiKeySet: settings.kilocodeApiKey !== null,
    envVarNames: Object.keys(settings.envVars).toSorted(),
    secretNames: Object.keys(settings.encryptedSecrets).toSorted(),
    channels: {
      telegram: channels.telegramBotToken !== null,
      discord: channels.discordBotToken !== null,
      slack: channels.slackBotToken !== null,
    },
  };
}

/** The last error as the wire has it; instants are ISO 8601. */
export function errorViewOf(error: LastError | null): StatusView["lastError"] {
  if (error === null) return null;
  const { code, message, at, attempts, nextTryAt } = error;
  return { code, message, at: new Date(at).toISOString(), attempts, nextTryAt: isoOf(nextTryAt) };
}

/** How the effort of an operation stands, told from the record alone. */
export function operationResultOf(state: InstanceState, settled: boolean): OperationResult {
  const { status, lastError } = state;
  if (settled) return { kind: "settled", status };
  if (lastError === null) return { kind: "under_way", status };
  return {
    kind: "hindered",
    status,
    code: lastError.code,
    message: lastError.message,
    nextTryAt: lastError.nextTryAt,
  };
}

function isoOf(instant: number | null): string | null {
  return instant === null ? null : new Date(instant).toISOString();
}
