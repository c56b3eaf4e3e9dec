import type { ChannelTokens } from "../settings.ts";
import { withDefault, withValue, type Json, type JsonObject, type Path } from "./json.ts";

/** What our part of the gateway's configuration is made from. */
export interface ManagedInputs {
  readonly gatewayPort: number;
  readonly allowedOrigins: readonly string[];
  readonly model: { readonly baseUrl: string; readonly id: string } | null;
  readonly channels: ChannelTokens;
  readonly workspace: string;
  readonly logFile: string;
}

/**
 * Names of the gateway's environment variables that its configuration refers to. The file holds the names
 * only; OpenClaw puts in the values when it loads it.
 */
export const ENV_OWNER_HEADER = "OPENCLAW_KILOCLAW_OWNER_HEADER";
export const ENV_PASSWORD = "OPENCLAW_GATEWAY_PASSWORD";
export const ENV_SECRETS_FILE = "OPENCLAW_KILOCLAW_SECRETS_FILE";

/** A place in the configuration, and what stands there. */
export type Setting = readonly [Path, Json];

/** Puts in what is ours to decide, over whatever the user has there. */
export function withSettings(user: JsonObject, settings: readonly Setting[]): JsonObject {
  return settings.reduce((config, [path, value]) => withValue(config, path, value), user);
}

/** Puts in what the user may change. */
export function withDefaults(user: JsonObject, defaults: readonly Setting[]): JsonObject {
  return defaults.reduce((config, [path, value]) => withDefault(config, path, value), user);
}

/** What every version of OpenClaw gets whatever the user has there. */
export const COMMON_SETTINGS: readonly Setting[] = [
  [["discovery", "mdns", "mode"], "off"],
  // The image brings the version.
  [["update", "checkOnStart"], false],
  // One JSON object per line: causes and pairing requests are read from it (openclaw-gateway.md §1.1, §4.1).
  [["logging", "consoleStyle"], "json"],
];

/** What every version of OpenClaw gets where the user has nothing there. */
export function commonDefaults(inputs: ManagedInputs): readonly Setting[] {
  return [
    [["agents", "defaults", "workspace"], inputs.workspace],
    // A heartbeat is a model call every half hour, at the user's cost.
    [["agents", "defaults", "heartbeat", "every"], "0m"],
    [["browser", "enabled"], false],
    [["logging", "file"], inputs.logFile],
  ];
}
