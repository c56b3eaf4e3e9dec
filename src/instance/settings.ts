import type { ProvisionRequest, SettingsPatch } from "./operations.ts";
import { takesSettings } from "./ran.ts";
import { MODEL_VARIABLE, withFieldsFilled } from "./setting-fields.ts";
import { type Given, givenSchema, type InstanceState, type Settings } from "./state.ts";
import { withNewGeneration, withStatus } from "./wishes.ts";

export const NO_SETTINGS: Settings = {
  envVars: {},
  encryptedSecrets: {},
  kilocodeApiKey: null,
  kilocodeDefaultModel: null,
  channels: { telegramBotToken: null, discordBotToken: null, slackBotToken: null, slackAppToken: null },
};

/** Absent keeps, null removes, a value sets. Environment variables and secrets are given as a whole. */
export function mergeSettings(stored: Settings, request: Omit<ProvisionRequest, "userId">): Settings {
  const { envVars, encryptedSecrets, kilocodeApiKey, kilocodeDefaultModel, channels = {} } = request;
  const known = withFieldsFilled({
    ...stored,
    envVars: envVars ?? stored.envVars,
    encryptedSecrets: encryptedSecrets ?? stored.encryptedSecrets,
  });
  const { [MODEL_VARIABLE]: sealedModel, ...secrets } = known.encryptedSecrets;
  const keepsModel = sealedModel !== undefined && kilocodeDefaultModel === undefined;
  return {
    // In the order of their names, so that equal settings are equal texts.
    envVars: sortByName(known.envVars),
    encryptedSecrets: sortByName(keepsModel ? known.encryptedSecrets : secrets),
    kilocodeApiKey: kilocodeApiKey === undefined ? known.kilocodeApiKey : kilocodeApiKey,
    kilocodeDefaultModel:
      kilocodeDefaultModel === undefined ? known.kilocodeDefaultModel : kilocodeDefaultModel,
    channels: { ...known.channels, ...channels },
  };
}

/** What of the settings a request says, be it that there is none. */
export function givenIn({ channels, ...fields }: Omit<ProvisionRequest, "userId">): Given[] {
  const said: Partial<Record<string, unknown>> = { ...fields, ...channels };
  return givenSchema.options.filter((name) => said[name] !== undefined);
}

/** Absent keeps, null removes, a value sets: also of each secret. */
export function patchSettings(
  known: Settings,
  { encryptedSecrets = {}, ...fields }: SettingsPatch,
): Settings {
  const secrets = { ...known.encryptedSecrets, ...encryptedSecrets };
  const kept = Object.entries(secrets).filter((entry): entry is [string, string] => entry[1] !== null);
  return mergeSettings({ ...known, encryptedSecrets: Object.fromEntries(kept) }, fields);
}

/** Variables and secrets together; a controller takes 256 with its own. */
const VARIABLES_MAX = 200;
/** A record may have 2 MiB (docs: durable-objects/platform/limits), and so may all that Linux starts a program with. */
const SETTINGS_BYTES_MAX = 512 * 1_024;

export function isTooLarge(settings: Settings): boolean {
  const variables = Object.keys(settings.envVars).length + Object.keys(settings.encryptedSecrets).length;
  const bytes = new TextEncoder().encode(JSON.stringify(settings)).length;
  return variables > VARIABLES_MAX || bytes > SETTINGS_BYTES_MAX;
}

export type Wished = Pick<InstanceState, "machineSize" | "sizeWished" | "settings" | "fingerprint"> & {
  /** What was said of the settings, where they are still to be found. */
  given?: readonly Given[];
  /** Whether a machine of the newest generation has all that it would be made with now. */
  isCurrent: boolean;
};

/**
 * Changed settings make a new generation, which a running machine takes over while it runs, where nothing else is new and its
 * controller can do that; else by an update, and it comes up with them. They may be what was in the way, so every cooldown ends.
 */
export function takeOver(state: InstanceState, wished: Wished, now: number): InstanceState {
  const { machineSize, settings, fingerprint, isCurrent, given = [] } = wished;
  const sizeWished = state.sizeWished || wished.sizeWished;
  const recovery = state.recovery === null ? null : withGiven({ ...state.recovery, mayEnd: false }, given);
  const unchanged =
    !state.settingsLost &&
    JSON.stringify([state.machineSize, state.settings]) === JSON.stringify([machineSize, settings]);
  if (unchanged) return recovery === null ? state : { ...state, recovery };
  const changed = { ...state, machineSize, sizeWished, settings, settingsLost: false, recovery };
  const isSettingsOnly =
    isCurrent && !state.settingsLost && JSON.stringify(state.machineSize) === JSON.stringify(machineSize);
  return reconfigured(changed, fingerprint, isSettingsOnly, now);
}

/**
 * The same settings under new seals. In an app of the tenant's own the next key takes the place of the environment's, and the
 * one before it stays valid: the app is given both, and a new generation of the machine is sealed with the new one. In an app
 * that all share, nothing changes for the machine.
 */
export function rotate(
  state: InstanceState,
  settings: Settings,
  fingerprintFor: (settings: Settings) => string,
  now: number,
): InstanceState {
  const { ownApp } = state;
  const fingerprint = fingerprintFor(settings);
  if (ownApp === null) {
    // What the machine lacks beside the seals, it still lacks.
    const isUpToDate = state.fingerprint === fingerprintFor(state.settings);
    return { ...state, settings, fingerprint: isUpToDate ? fingerprint : state.fingerprint };
  }
  const rekeyed: OwnApp = {
    ...ownApp,
    keyVersion: ownApp.keyVersion + 1,
    stage: ownApp.stage === "wanted" ? "wanted" : "created",
    secretsVersion: null,
  };
  return reconfigured({ ...state, settings, ownApp: rekeyed }, fingerprint, false, now);
}

type Recovery = NonNullable<InstanceState["recovery"]>;

function withGiven(recovery: Recovery, given: readonly Given[]): Recovery {
  const all = new Set([...(recovery.given ?? []), ...given]);
  return all.size === 0 ? recovery : { ...recovery, given: [...all] };
}

type OwnApp = NonNullable<InstanceState["ownApp"]>;

function reconfigured(
  state: InstanceState,
  fingerprint: string,
  isSettingsOnly: boolean,
  now: number,
): InstanceState {
  const changed: InstanceState = {
    ...withNewGeneration(state, fingerprint, isSettingsOnly),
    unanswered: null,
    applying: null,
    bringUps: [],
    capacityTries: 0,
    failures: 0,
    retryAt: null,
    lastError: null,
  };
  const staysUp = isSettingsOnly && (state.ran === null || takesSettings(state));
  return state.status === "running" && !staysUp ? withStatus(changed, "starting", now) : changed;
}

function sortByName<T>(entries: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
