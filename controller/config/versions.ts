import type { ChannelTokens } from "../settings.ts";
import type { JsonObject } from "./json.ts";
import type { ManagedInputs } from "./managed.ts";
import { applyTo2026Dot2 } from "./openclaw-2026-2.ts";
import { applyTo2026Dot9, PLUGIN_CHANNELS } from "./openclaw-2026-9.ts";

/** Puts our part into the user's configuration, in the keys of one line of OpenClaw versions. */
export type ConfigWriter = (user: JsonObject, inputs: ManagedInputs) => JsonObject;

interface Version {
  readonly versions: RegExp;
  readonly write: ConfigWriter;
  /** What its gateway needs in its environment beside what every version gets. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether it has the secrets from a file, and not from its environment, so that others can reach it while it runs. */
  readonly readsSecretsFile: boolean;
  /** The channels that it can take up only at a start, which installs their plugins. */
  readonly channelsOfStart: readonly (keyof ChannelTokens)[];
}

/**
 * OpenClaw refuses to start on a key that it does not know, so each line of versions has a writer of its own.
 */
const VERSIONS: readonly Version[] = [
  {
    versions: /^2026\.9\.\d/,
    write: applyTo2026Dot9,
    environment: {},
    readsSecretsFile: true,
    channelsOfStart: PLUGIN_CHANNELS,
  },
  {
    versions: /^2026\.2\.26$/,
    write: applyTo2026Dot2,
    // It would control a browser through two more ports on loopback (openclaw-gateway.md §0.3).
    environment: { OPENCLAW_SKIP_BROWSER_CONTROL_SERVER: "1" },
    // Its channels take a token as a text only (its docs/gateway/secrets.md).
    readsSecretsFile: false,
    channelsOfStart: [],
  },
];

/** The writer for an installed version, or null for a version that nobody has tried yet. */
export function configWriterFor(version: string): ConfigWriter | null {
  return versionOf(version)?.write ?? null;
}

/** The variables that the gateway of an installed version needs and others don't. */
export function gatewayVariablesFor(version: string): Readonly<Record<string, string>> {
  return versionOf(version)?.environment ?? {};
}

/** Whether an installed version has its secrets from a file. */
export function readsSecretsFile(version: string): boolean {
  return versionOf(version)?.readsSecretsFile ?? false;
}

/** The channels that an installed version takes up only at a start. */
export function channelsOfStart(version: string): readonly (keyof ChannelTokens)[] {
  return versionOf(version)?.channelsOfStart ?? [];
}

function versionOf(version: string): Version | undefined {
  return VERSIONS.find(({ versions }) => versions.test(version));
}
