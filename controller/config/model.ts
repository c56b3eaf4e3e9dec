import { isObject, valueAt, without, withDefault, withValue, type JsonObject, type Path } from "./json.ts";
import type { ManagedInputs } from "./managed.ts";
import { refersTo, type Reference } from "./references.ts";

/** The name of our provider, in the configuration and before a model's name. */
export const PROVIDER = "kilocode";
const KEY = "KILOCODE_API_KEY";
/** What the models behind the Kilo gateway have at least, where the provider does not say more. */
const CONTEXT_WINDOW_TOKENS = 200_000;
const ANSWER_TOKENS_MAX = 8_192;

export interface ModelOfVersion {
  readonly reference: Reference;
  /** What OpenClaw makes of the providers that it remembers of before, where the user has not said. */
  readonly mode: "merge" | "replace";
}

/**
 * Our provider with its model, or without `model` no such provider. The primary model is ours where the user has chosen none or
 * one of ours, and what the user says about our model stays.
 */
export function applyModel(
  user: JsonObject,
  model: ManagedInputs["model"],
  version: ModelOfVersion,
): JsonObject {
  const provider: Path = ["models", "providers", PROVIDER];
  const chosen = primaryModel(user);
  const chosenIsOurs = chosen?.startsWith(`${PROVIDER}/`) ?? false;
  if (model === null) {
    if (!refersTo(valueAt(user, [...provider, "apiKey"]), KEY)) return user;
    const config = without(user, provider);
    return chosenIsOurs ? withoutPrimaryModel(config) : config;
  }
  const known = valueAt(user, [...provider, "models"]);
  const models = Array.isArray(known) ? known : [];
  const entry = models.find((item) => isObject(item) && item["id"] === model.id) ?? {
    id: model.id,
    name: model.id,
    contextWindow: CONTEXT_WINDOW_TOKENS,
    maxTokens: ANSWER_TOKENS_MAX,
  };
  const others = models.filter((item) => !(isObject(item) && item["id"] === model.id));
  let config = withDefault(user, ["models", "mode"], version.mode);
  config = withValue(config, [...provider, "baseUrl"], model.baseUrl);
  config = withValue(config, [...provider, "apiKey"], version.reference(KEY));
  config = withValue(config, [...provider, "api"], "openai-completions");
  config = withValue(config, [...provider, "models"], [entry, ...others]);
  return chosen === null || chosenIsOurs ? withPrimaryModel(config, `${PROVIDER}/${model.id}`) : config;
}

const MODEL: Path = ["agents", "defaults", "model"];

/** OpenClaw takes `agents.defaults.model` as a name or as an object with `primary` and `fallbacks`. */
export function primaryModel(config: JsonObject): string | null {
  const model = valueAt(config, MODEL);
  const primary = isObject(model) ? model["primary"] : model;
  return typeof primary === "string" ? primary : null;
}

function withPrimaryModel(config: JsonObject, name: string): JsonObject {
  return withValue(config, [...MODEL, "primary"], name);
}

function withoutPrimaryModel(config: JsonObject): JsonObject {
  return isObject(valueAt(config, MODEL)) ? without(config, [...MODEL, "primary"]) : without(config, MODEL);
}
