import type { JsonObject } from "./json.ts";
import type { ManagedInputs } from "./managed.ts";
import { applyTo2026Dot2 } from "./openclaw-2026-2.ts";
import { applyTo2026Dot9 } from "./openclaw-2026-9.ts";

/** Puts our part into the user's configuration, in the keys of one line of OpenClaw versions. */
export type ConfigWriter = (user: JsonObject, inputs: ManagedInputs) => JsonObject;

interface Version {
  readonly versions: RegExp;
  readonly write: ConfigWriter;
  /** What its gateway needs in its environment beside what every version gets. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * OpenClaw refuses to start on a key that it does not know, so each line of versions has a writer of its own.
 */
const VERSIONS: readonly Version[] = [
  { versions: /^2026\.9\.\d/, write: applyTo2026Dot9, environment: {} },
  {
    versions: /^2026\.2\.26$/,
    write: applyTo2026Dot2,
    // It would control a browser through two more ports on loopback (openclaw-gateway.md §0.3).
    environment: { OPENCLAW_SKIP_BROWSER_CONTROL_SERVER: "1" },
  },
];

/** The writer for an installed version, or null for a version that nobody has tried yet. */
export function configWriterFor(version: string): ConfigWriter | null {
  return VERSIONS.find(({ versions }) => versions.test(version))?.write ?? null;
}

/** The variables that the gateway of an installed version needs and others don't. */
export function gatewayVariablesFor(version: string): Readonly<Record<string, string>> {
  return VERSIONS.find(({ versions }) => versions.test(version))?.environment ?? {};
}
