import type { MachineTokens } from "../auth/machine-tokens.ts";
import type { MachineRequest } from "../fly/schemas.ts";
import type { MountOptions } from "./observation.ts";
import { METADATA_GENERATION, METADATA_SANDBOX, METADATA_USER, VOLUME_PATH } from "./names.ts";
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

/** Closes an environment so that only the holder of the tenant's key reads it, and opens it again. */
export type EnvSeal = {
  /** What Fly is given in the place of `env`. */
  seal(env: Record<string, string>, envKey: string, sandboxId: string): Promise<Record<string, string>>;
  /** What was sealed, or `env` itself where it is not sealed; null where it can't be opened. */
  open(
    env: Record<string, string>,
    envKey: string,
    sandboxId: string,
  ): Promise<Record<string, string> | null>;
};

/**
 * The whole configuration of the instance's machine. Always built whole, since an update replaces everything
 * (docs: machines/api/machines-resource#update-a-machine). In an app of the tenant's own, Fly gets the environment sealed, and
 * the key to it as a secret of the app, which the machine waits for.
 */
export async function machineRequest(
  state: InstanceState,
  volumeId: string,
  tokens: MachineTokens,
  defaults: MachineDefaults,
  envSeal: EnvSeal,
  { metadata, mountOptions }: SetByHand = { metadata: {}, mountOptions: {} },
): Promise<MachineRequest> {
  const { ownApp, sandboxId } = state;
  const plain = machineEnv(state, tokens, defaults);
  const env = ownApp === null ? plain : await envSeal.seal(plain, tokens.envKey, sandboxId);
  const secretsVersion = ownApp?.secretsVersion ?? null;
  return {
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
}

/** The size as Fly's `guest` (docs: machines/api/machines-resource). */
export function guestOf(size: MachineSize): MachineRequest["config"]["guest"] {
  return { cpu_kind: size.cpuKind, cpus: size.cpus, memory_mb: size.memoryMb };
}

/** The settings that a machine's environment was made from; null where it can't be read. */
export async function settingsFrom(
  env: Record<string, string>,
  { envKey }: MachineTokens,
  sandboxId: string,
  envSeal: EnvSeal,
): Promise<Settings | null> {
  const plain = await envSeal.open(env, envKey, sandboxId);
  if (plain === null) return null;
  const { envVars, taken } = Object.entries(plain).reduce<{
    envVars: Record<string, string>;
    taken: Record<string, string>;
  }>(
    (parts, [name, value]) => {
      if (!OUR_NAMES.has(name)) parts.envVars[name] = value;
      else parts.taken[name] = value;
      return parts;
    },
    { envVars: {}, taken: {} },
  );
  return {
    envVars,
    kilocodeApiKey: taken["KILOCODE_API_KEY"] ?? null,
    kilocodeDefaultModel: taken["KILOCODE_DEFAULT_MODEL"] ?? null,
    channels: {
      telegramBotToken: taken["TELEGRAM_BOT_TOKEN"] ?? null,
      discordBotToken: taken["DISCORD_BOT_TOKEN"] ?? null,
      slackBotToken: taken["SLACK_BOT_TOKEN"] ?? null,
      slackAppToken: taken["SLACK_APP_TOKEN"] ?? null,
    },
  };
}

const OUR_NAMES: ReadonlySet<string> = new Set([
  "KILOCODE_API_KEY",
  "KILOCODE_DEFAULT_MODEL",
  "TELEGRAM_BOT_TOKEN",
  "DISCORD_BOT_TOKEN",
  "SLACK_BOT_TOKEN",
  "SLACK_APP_TOKEN",
  SANDBOX_ID,
  "KILOCLAW_GATEWAY_TOKEN",
  "KILOCLAW_PROXY_TOKEN",
  "OPENCLAW_ALLOWED_ORIGINS",
]);

/** The user's own variables first, so that none of ours can be replaced by one of theirs. */
function machineEnv(
  { settings, sandboxId }: InstanceState,
  tokens: MachineTokens,
  { allowedOrigins }: MachineDefaults,
): Record<string, string> {
  const { channels } = settings;
  const optional: Record<string, string | null> = {
    KILOCODE_API_KEY: settings.kilocodeApiKey,
    KILOCODE_DEFAULT_MODEL: settings.kilocodeDefaultModel,
    TELEGRAM_BOT_TOKEN: channels.telegramBotToken,
    DISCORD_BOT_TOKEN: channels.discordBotToken,
    SLACK_BOT_TOKEN: channels.slackBotToken,
    SLACK_APP_TOKEN: channels.slackAppToken,
  };
  const present = Object.entries(optional).filter((entry): entry is [string, string] => entry[1] !== null);
  return {
    ...settings.envVars,
    ...Object.fromEntries(present),
    [SANDBOX_ID]: sandboxId,
    KILOCLAW_GATEWAY_TOKEN: tokens.gatewayToken,
    KILOCLAW_PROXY_TOKEN: tokens.proxyToken,
    OPENCLAW_ALLOWED_ORIGINS: allowedOrigins.join(","),
  };
}
