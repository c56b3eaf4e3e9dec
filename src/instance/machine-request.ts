import type { MachineTokens } from "../auth/machine-tokens.ts";
import type { MachineRequest } from "../fly/schemas.ts";
import { METADATA_GENERATION, METADATA_SANDBOX, METADATA_USER, VOLUME_PATH } from "./names.ts";
import type { InstanceState, MachineSize } from "./state.ts";

/** What the environment of the Worker says about every machine. */
export type MachineDefaults = { image: string; allowedOrigins: string[] };

/** The controller's port in every machine. */
const CONTROLLER_PORT = 18_789;
/**
 * Between SIGTERM and SIGKILL. The gateway's own stop takes under a second when idle, and the controller bounds a busy
 * one at 20 s (openclaw-gateway.md §1.5).
 */
const STOP_TIMEOUT = "30s";
export const VOLUME_SIZE_GB = 10;
/** OpenClaw takes 1.2 GB after its first chat and a CLI beside it 0.7 GB (openclaw-gateway.md §1.3). */
export const DEFAULT_MACHINE_SIZE: MachineSize = { cpuKind: "shared", cpus: 2, memoryMb: 3_072 };

/**
 * The whole configuration of the instance's machine. Always built whole, since an update replaces everything
 * (docs: machines/api/machines-resource#update-a-machine).
 */
export function machineRequest(
  state: InstanceState,
  volumeId: string,
  tokens: MachineTokens,
  defaults: MachineDefaults,
): MachineRequest {
  return {
    config: {
      image: defaults.image,
      env: machineEnv(state, tokens, defaults),
      guest: guestOf(state.machineSize),
      mounts: [{ volume: volumeId, path: VOLUME_PATH }],
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
        [METADATA_USER]: state.userId,
        [METADATA_SANDBOX]: state.sandboxId,
        [METADATA_GENERATION]: String(state.generation),
      },
      restart: { policy: "on-failure" },
      stop_config: { signal: "SIGTERM", timeout: STOP_TIMEOUT },
    },
  };
}

export function guestOf(size: MachineSize): MachineRequest["config"]["guest"] {
  return { cpu_kind: size.cpuKind, cpus: size.cpus, memory_mb: size.memoryMb };
}

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
    KILOCLAW_SANDBOX_ID: sandboxId,
    KILOCLAW_GATEWAY_TOKEN: tokens.gatewayToken,
    KILOCLAW_PROXY_TOKEN: tokens.proxyToken,
    OPENCLAW_ALLOWED_ORIGINS: allowedOrigins.join(","),
  };
}
