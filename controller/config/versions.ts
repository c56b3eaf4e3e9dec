import type { JsonObject } from "./json.ts";
import { applyTo2026Dot9, type ManagedInputs } from "./openclaw-2026-9.ts";

/** Puts our part into the user's configuration, in the keys of one line of OpenClaw versions. */
export type ConfigWriter = (user: JsonObject, inputs: ManagedInputs) => JsonObject;

/**
 * OpenClaw refuses to start on a key that it does not know, so each line of versions has a writer of its own.
 */
const WRITERS: readonly { readonly versions: RegExp; readonly write: ConfigWriter }[] = [
  { versions: /^2026\.9\.\d/, write: applyTo2026Dot9 },
];

/** The writer for an installed version, or null for a version that nobody has tried yet. */
export function configWriterFor(version: string): ConfigWriter | null {
  return WRITERS.find(({ versions }) => versions.test(version))?.write ?? null;
}
