import { VARIABLE_OF } from "../client/seal-secret.ts";
import type { Settings } from "./state.ts";

export const MODEL_VARIABLE = "KILOCODE_DEFAULT_MODEL";

const CHANNELS = ["telegramBotToken", "discordBotToken", "slackBotToken", "slackAppToken"] as const;

/**
 * The variables that a field of the settings becomes, each with that field. Nobody sets one by its name: a token that had two places
 * would stay in force when it is taken out of one of them.
 */
export const FIELD_OF: ReadonlyMap<string, string> = new Map([
  [VARIABLE_OF.kilocodeApiKey, "kilocodeApiKey"],
  [MODEL_VARIABLE, "kilocodeDefaultModel"],
  ...CHANNELS.map((channel) => [VARIABLE_OF[channel], `channels.${channel}`] as const),
]);

/** Settings from before these names were refused, with what stands under one of them in its field. What a field has wins, as it did. */
export function withFieldsFilled(settings: Settings): Settings {
  const { envVars, encryptedSecrets, kilocodeApiKey, kilocodeDefaultModel, channels } = settings;
  const hasOne = [...FIELD_OF.keys()].some((name) => name in envVars || name in encryptedSecrets);
  if (!hasOne) return settings;
  // It is sealed for the variable's name in either place.
  const under = (name: string) => {
    const encrypted = encryptedSecrets[name];
    return encrypted === undefined ? (envVars[name] ?? null) : { encrypted };
  };
  const filled = (channel: (typeof CHANNELS)[number]) => channels[channel] ?? under(VARIABLE_OF[channel]);
  const sealedModel = kilocodeDefaultModel === null ? encryptedSecrets[MODEL_VARIABLE] : undefined;
  return {
    envVars: withoutFields(envVars),
    // The model's field takes no sealed value.
    encryptedSecrets: {
      ...withoutFields(encryptedSecrets),
      ...(sealedModel === undefined ? {} : { [MODEL_VARIABLE]: sealedModel }),
    },
    kilocodeApiKey: kilocodeApiKey ?? under(VARIABLE_OF.kilocodeApiKey),
    kilocodeDefaultModel:
      kilocodeDefaultModel ?? (sealedModel === undefined ? (envVars[MODEL_VARIABLE] ?? null) : null),
    channels: {
      telegramBotToken: filled("telegramBotToken"),
      discordBotToken: filled("discordBotToken"),
      slackBotToken: filled("slackBotToken"),
      slackAppToken: filled("slackAppToken"),
    },
  };
}

function withoutFields(variables: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !FIELD_OF.has(name)));
}
