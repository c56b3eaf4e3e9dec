import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Settings } from "../settings.ts";
import { CHANNEL_TOKENS } from "./channels.ts";
import { channelsIn } from "./file.ts";
import { valueAt, type JsonObject, type Path } from "./json.ts";
import { primaryModel, PROVIDER } from "./model.ts";
import { byFile, type SecretVariable } from "./references.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/** What a gateway is to be seen to use. */
export interface Expected {
  /** What stands in its configuration file. */
  readonly config: JsonObject;
  readonly settings: Settings;
  readonly variables: Variables;
  readonly readsSecretsFile: boolean;
  /** The variables that its process is to have, and those among the settings that it is to lack, as undefined. */
  readonly environment: Variables;
}

export interface Readable {
  /** Calls a method of the gateway. Rejects when it is refused or not answered. */
  call(method: string, params: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** What the gateway's process was started with; null where the system does not tell. */
  environment(): Promise<Variables | null>;
}

const channelsSchema = z.object({
  channels: z.record(z.string(), z.looseObject({ configured: z.boolean().optional() })),
});
const statusSchema = z.object({
  sessions: z.object({ defaults: z.looseObject({ model: z.string().nullish() }) }),
});
const resolvedSchema = z.object({
  assignments: z.array(z.object({ path: z.string(), value: z.unknown() })),
});

/**
 * Whether the running gateway uses what it is expected to: which channels it says to have, its default model, the secrets that
 * it has read, and what its process was started with. Asked of the gateway and of the system, not of what was written.
 * Rejects as `call` does.
 */
export async function readsBack(expected: Expected, gateway: Readable): Promise<boolean> {
  const checks = [hasEnvironment, hasChannels, hasModel, hasSecrets];
  for (const check of checks) if (!(await check(expected, gateway))) return false;
  return true;
}

async function hasEnvironment({ environment }: Expected, gateway: Readable): Promise<boolean> {
  const actual = await gateway.environment();
  return actual === null || Object.entries(environment).every(([name, value]) => actual[name] === value);
}

async function hasChannels({ config, settings }: Expected, gateway: Readable): Promise<boolean> {
  const { channels } = channelsSchema.parse(await gateway.call("channels.status", {}));
  const inFile = new Set(channelsIn(config));
  return Object.entries(settings.channels).every(([name, isWanted]) => {
    const isConfigured = channels[name]?.configured === true;
    // One that the user has switched off, or has set up alone, says nothing of our tokens.
    return isWanted === inFile.has(name) ? isConfigured === isWanted : true;
  });
}

async function hasModel({ config, settings }: Expected, gateway: Readable): Promise<boolean> {
  const { model } = settings;
  if (model === null || primaryModel(config) !== `${PROVIDER}/${model.id}`) return true;
  const { sessions } = statusSchema.parse(await gateway.call("status", {}));
  return sessions.defaults.model === model.id;
}

async function hasSecrets(
  { config, variables, readsSecretsFile }: Expected,
  gateway: Readable,
): Promise<boolean> {
  if (!readsSecretsFile) return true;
  const places = placesOf(config);
  const params = { commandName: "kiloclaw", targetIds: places.map(({ target }) => target) };
  const { assignments } = resolvedSchema.parse(await gateway.call("secrets.resolve", params));
  const values = new Map(assignments.map(({ path, value }) => [path, value]));
  return places.every(({ path, variable }) => {
    const standing = valueAt(config, path);
    const value = values.get(path.join("."));
    if (standing === undefined) return value === undefined;
    // Whatever else the user has put there is none of ours.
    return !isDeepStrictEqual(standing, byFile(variable)) || value === variables[variable];
  });
}

interface Place {
  readonly path: Path;
  /** What `secrets.resolve` calls such a place; it refuses one of a channel whose plugin is not there. */
  readonly target: string;
  readonly variable: SecretVariable;
}

function placesOf(config: JsonObject): readonly Place[] {
  const inUse = channelsIn(config);
  const ofChannels = Object.entries(CHANNEL_TOKENS)
    .filter(([channel]) => inUse.includes(channel))
    .flatMap(([channel, tokens]) =>
      tokens.map(([key, variable]): Place => {
        const path: Path = ["channels", channel, key];
        return { path, target: path.join("."), variable };
      }),
    );
  const ofModel: Place = {
    path: ["models", "providers", PROVIDER, "apiKey"],
    target: "models.providers.*.apiKey",
    variable: "KILOCODE_API_KEY",
  };
  return [ofModel, ...ofChannels];
}
