import { isDeepStrictEqual } from "node:util";
import type { Json } from "./json.ts";

/** The settings whose values are secrets, and to which OpenClaw's configuration refers. */
export const SECRET_VARIABLES = [
  "KILOCODE_API_KEY",
  "TELEGRAM_BOT_TOKEN",
  "DISCORD_BOT_TOKEN",
  "SLACK_BOT_TOKEN",
  "SLACK_APP_TOKEN",
] as const;
export type SecretVariable = (typeof SECRET_VARIABLES)[number];

/** How a version's configuration refers to a secret without holding it. */
export type Reference = (name: SecretVariable) => Json;

/** OpenClaw puts in the variable's value when it loads its configuration. */
export const byVariable: Reference = (name) => `\${${name}}`;

/** For the key of a model's provider, which 2026.2 looks up itself; a value that is put in stays in its `models.json`. */
export const byName: Reference = (name) => name;

/** The provider of secrets under which a configuration knows our file of them. */
export const FILE_PROVIDER = "kiloclaw";

/** OpenClaw 2026.9 reads the file, and again when it is told to (its docs/gateway/secrets/secretref-contract.md). */
export const byFile: Reference = (name) => ({ source: "file", provider: FILE_PROVIDER, id: `/${name}` });

/** Whether a configuration has a reference of ours here, of whatever version wrote it. */
export function refersTo(value: Json | undefined, name: SecretVariable): boolean {
  return [byVariable, byName, byFile].some((reference) => isDeepStrictEqual(value, reference(name)));
}
