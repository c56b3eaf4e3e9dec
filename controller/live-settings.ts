import { variableNameSchema, type EnvApplied, type EnvUpdate } from "../src/gateway/wire.ts";
import type { Given } from "./config/live.ts";
import { inheritedSettings, isSetting } from "./environment.ts";
import { errorText } from "./log.ts";
import type { Environment } from "./sealed-env.ts";
import { readSettings, type Settings } from "./settings.ts";
import { GENERATION, type StoredSettings } from "./stored-settings.ts";

/** A machine's environment, and what its settings mean. */
export interface Now extends Given {
  /** The whole of it: the machine's own variables and the tenant's. */
  readonly env: Environment;
}

export type UpdateResult =
  | { readonly kind: "applied"; readonly applied: EnvApplied }
  /** The machine has settings of a newer generation. */
  | { readonly kind: "stale" }
  /** The problems name variables, never values. */
  | { readonly kind: "unusable"; readonly problems: readonly string[] }
  /** They could not be kept for the next start. */
  | { readonly kind: "not_stored"; readonly reason: string }
  /** Others wait already. */
  | { readonly kind: "busy" };

/** The tenant's settings as they are now, which can be others while the machine runs. */
export interface LiveSettings {
  now(): Now;
  /** One at a time, in order; an older generation never takes the place of a newer one. */
  update(update: EnvUpdate): Promise<UpdateResult>;
}

export interface LiveSettingsOptions {
  readonly env: Environment;
  readonly settings: Settings;
  /** Keeps them for the next start of the machine. Rejects when that failed. */
  readonly store: (settings: StoredSettings) => Promise<void>;
  /** Called with the environment that is to be, before anybody sees its values. */
  readonly onChange: (env: Environment) => void;
  /** Brings the gateway to what `now` says. */
  readonly bring: (before: Now, next: Now) => Promise<Pick<EnvApplied, "how" | "inEffect">>;
}

/** The Worker sends one, and again when it got no answer. */
const WAITING_MAX = 4;

export function createLiveSettings(options: LiveSettingsOptions): LiveSettings {
  const isOfTenant = (name: string): boolean => isSetting(name, options.env);
  const own = Object.fromEntries(Object.entries(options.env).filter(([name]) => !isOfTenant(name)));
  const hiding = inheritedSettings(options.env);
  let generation = Number(options.env[GENERATION] ?? 0) || 0;
  let now: Now = {
    env: options.env,
    variables: valuesIn(options.env, isOfTenant),
    settings: options.settings,
  };
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  const apply = async (update: EnvUpdate): Promise<UpdateResult> => {
    if (update.generation < generation) return { kind: "stale" };
    // All that the Worker sends is the tenant's, whatever the image has of the same name.
    const variables = valuesIn(update.settings, (name) => variableNameSchema.safeParse(name).success);
    const uncovered = hiding.filter((name) => update.settings[name] === undefined);
    if (uncovered.length > 0) {
      // Only a machine that is made without it shows what the image has in its place.
      return { kind: "unusable", problems: uncovered.map((name) => `${name} may be the image's again`) };
    }
    const env = { ...own, ...variables, [GENERATION]: String(update.generation) };
    const read = readSettings(env);
    if (!read.ok) return { kind: "unusable", problems: read.problems };
    // A machine falls back to a default; whoever changes settings is told.
    if (read.ignored.length > 0)
      return { kind: "unusable", problems: read.ignored.map((name) => `${name} is unusable`) };
    options.onChange({ ...env, ...update.settings });
    try {
      await options.store({ generation: update.generation, variables: update.stored });
    } catch (error) {
      return { kind: "not_stored", reason: errorText(error) };
    }
    const before = now;
    generation = update.generation;
    now = { env, variables, settings: read.settings };
    return { kind: "applied", applied: { generation, ...(await options.bring(before, now)) } };
  };

  return {
    now: () => now,
    async update(update) {
      if (waiting >= WAITING_MAX) return { kind: "busy" };
      waiting += 1;
      const result = last.then(() => apply(update)).finally(() => (waiting -= 1));
      last = result.catch(() => undefined);
      return result;
    },
  };
}

function valuesIn(env: Environment, isTaken: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] => isTaken(entry[0]) && (entry[1] ?? "") !== "",
    ),
  );
}
