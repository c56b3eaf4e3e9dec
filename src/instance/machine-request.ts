import type { MachineTokens } from "../auth/machine-tokens.ts";
import type { MachineRequest } from "../fly/schemas.ts";
import type { OpenedEnv } from "../crypto/sealed-env.ts";
import type { SecretBox } from "../crypto/secret-box.ts";
import type { EnvUpdate } from "../gateway/wire.ts";
import type { MountOptions } from "./observation.ts";
import { CONTROLLER_VARIABLES, isInheritedName, SETTING_NAMES } from "../gateway/wire.ts";
import { METADATA_GENERATION, METADATA_SANDBOX, METADATA_USER, VOLUME_PATH } from "./names.ts";
import { type OpenedSettings, openSettings, sealSettings } from "./settings-env.ts";
import type { InstanceState, MachineSize, Settings } from "./state.ts";

/** What a person may have set at Fly by hand, and an update keeps. */
export type SetByHand = { metadata: Record<string, string>; mountOptions: MountOptions };

/** What the environment of the Worker says about every machine. */
export type MachineDefaults = { image: string; allowedOrigins: string[] };

/** The controller's port in every machine. */
const CONTROLLER_PORT = 18_789;
/**
 * Between SIGTERM and SIGKILL. The gateway's own stop takes under a second when idle, and the controller bounds a busy
 * one at 20 s (openclaw-gateway.md §1.5).
 */
const STOP_TIMEOUT = "30s";
/** Where a tenant's own app has the key to its machine's environment, as an app secret. */
export const ENV_KEY_SECRET = "KILOCLAW_ENV_KEY";
const SANDBOX_ID = "KILOCLAW_SANDBOX_ID";
/** The names, comma-separated, of what came sealed, so that it is stored sealed again by whoever recovers it from a machine. */
const SECRET_NAMES = "KILOCLAW_SECRET_NAMES";
/** By which the controller knows whether settings that it kept are newer than those of its environment. */
const GENERATION = "KILOCLAW_GENERATION";

/** Closes an environment so that only the holder of the tenant's key reads it, and opens it again. Keys are counted from 1. */
export type EnvSeal = {
  /** What Fly is given in the place of `env`. */
  seal(env: Record<string, string>, sandboxId: string, keyVersion: number): Promise<Record<string, string>>;
  /** What was sealed, or `env` itself where it is not sealed; null where it can't be opened. */
  open(env: Record<string, string>, sandboxId: string): Promise<OpenedEnv | null>;
  /** The value of the app's secret: this key, and the one before it, by which a machine boots that is not updated yet. */
  appSecret(sandboxId: string, keyVersion: number): Promise<string>;
};

/** What stands between Fly and an environment, and between our own record and a secret. */
export type Seals = { envSeal: EnvSeal; secretBox: SecretBox };

export type BuiltRequest =
  | { kind: "built"; request: MachineRequest }
  /** There is no machine to ask for. */
  | SecretsUnreadable;

/** These variables' values can't be opened. */
type SecretsUnreadable = { kind: "secrets_unreadable"; names: string[] };

/**
 * The whole configuration of the instance's machine. Always built whole, since an update replaces everything
 * (docs: machines/api/machines-resource#update-a-machine). In an app of the tenant's own, Fly gets the environment sealed, and
 * the key to it as a secret of the app, which the machine waits for. Here alone the user's sealed values are opened.
 */
export async function machineRequest(
  state: InstanceState,
  volumeId: string,
  tokens: MachineTokens,
  defaults: MachineDefaults,
  { envSeal, secretBox }: Seals,
  { metadata, mountOptions }: SetByHand = { metadata: {}, mountOptions: {} },
): Promise<BuiltRequest> {
  const { ownApp, sandboxId } = state;
  const opened = await openSettings(state.settings, state.userId, secretBox);
  if (opened.kind === "secrets_unreadable") return opened;
  const plain = machineEnv(state, opened, tokens, defaults);
  const env = ownApp === null ? plain : await envSeal.seal(plain, sandboxId, ownApp.keyVersion);
  const secretsVersion = ownApp?.secretsVersion ?? null;
  const request: MachineRequest = {
    ...(secretsVersion === null ? {} : { min_secrets_version: secretsVersion }),
    config: {
      image: defaults.image,
      env,
      guest: guestOf(state.machineSize),
      mounts: [{ ...mountOptions, volume: volumeId, path: VOLUME_PATH }],
      services: [
        {
          protocol: "tcp",
          internal_port: CONTROLLER_PORT,
          autostart: false,
          autostop: "off",
          ports: [{ port: 443, handlers: ["tls", "http"] }],
        },
      ],
      metadata: {
        ...metadata,
        [METADATA_USER]: state.userId,
        [METADATA_SANDBOX]: state.sandboxId,
        [METADATA_GENERATION]: String(state.generation),
      },
      restart: { policy: "on-failure" },
      stop_config: { signal: "SIGTERM", timeout: STOP_TIMEOUT },
    },
  };
  return { kind: "built", request };
}

/** The size as Fly's `guest` (docs: machines/api/machines-resource). */
export function guestOf(size: MachineSize): MachineRequest["config"]["guest"] {
  return { cpu_kind: size.cpuKind, cpus: size.cpus, memory_mb: size.memoryMb };
}

/** The settings that a machine's environment was made from, and the key that it was sealed with, if it was. */
export type FoundSettings = { settings: Settings; keyVersion: number | null };

/** Null where the environment can't be read. */
export async function settingsFrom(
  env: Record<string, string>,
  { sandboxId, userId }: Pick<InstanceState, "sandboxId" | "userId">,
  { envSeal, secretBox }: Seals,
): Promise<FoundSettings | null> {
  const opened = await envSeal.open(env, sandboxId);
  if (opened === null) return null;
  const secretNames = new Set((opened.env[SECRET_NAMES] ?? "").split(","));
  const variables = Object.fromEntries(Object.entries(opened.env).filter(([name]) => !OURS.has(name)));
  const settings = await sealSettings(variables, secretNames, userId, secretBox);
  return { settings, keyVersion: opened.keyVersion };
}

/** What a machine is told beside its settings. */
const OURS: ReadonlySet<string> = new Set(CONTROLLER_VARIABLES);

function machineEnv(
  state: InstanceState,
  opened: Opened,
  tokens: MachineTokens,
  { allowedOrigins }: MachineDefaults,
): Record<string, string> {
  return {
    ...opened.env,
    ...namesOf(opened),
    [SANDBOX_ID]: state.sandboxId,
    [GENERATION]: String(toldGeneration(state)),
    KILOCLAW_GATEWAY_TOKEN: tokens.gatewayToken,
    KILOCLAW_PROXY_TOKEN: tokens.proxyToken,
    OPENCLAW_ALLOWED_ORIGINS: allowedOrigins.join(","),
  };
}

type Opened = Extract<OpenedSettings, { kind: "opened" }>;

function namesOf({ env, secretNames }: Opened): Record<string, string> {
  const names = { [SECRET_NAMES]: secretNames, [SETTING_NAMES]: Object.keys(env).filter(isInheritedName) };
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, list]) => (list.length === 0 ? [] : [[name, list.join(",")]])),
  );
}

export type BuiltUpdate = { kind: "built"; update: EnvUpdate } | SecretsUnreadable;

/** What the controller of a machine that runs is given in the place of its environment's settings: plain, and as Fly would have them. */
export async function envUpdate(state: InstanceState, { envSeal, secretBox }: Seals): Promise<BuiltUpdate> {
  const { ownApp, sandboxId, userId } = state;
  const opened = await openSettings(state.settings, userId, secretBox);
  if (opened.kind === "secrets_unreadable") return opened;
  const settings = Object.fromEntries(Object.entries(opened.env).filter(([name]) => !OURS.has(name)));
  const kept = { ...settings, ...namesOf(opened) };
  const stored = ownApp === null ? kept : await envSeal.seal(kept, sandboxId, ownApp.keyVersion);
  // Which of them are to be in no log, the controller has to know of both.
  return { kind: "built", update: { generation: toldGeneration(state), settings: kept, stored } };
}

/** Grows with every generation, and over records that were lost or forgotten. */
function toldGeneration({ generationBase, generation }: InstanceState): number {
  return generationBase + generation;
}
