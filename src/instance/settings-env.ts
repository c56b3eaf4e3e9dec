import { VARIABLE_OF } from "../client/seal-secret.ts";
import type { SecretBox } from "../crypto/secret-box.ts";
import { sealedValuesOf } from "./secrets.ts";
import { MODEL_VARIABLE } from "./setting-fields.ts";
import type { SecretValue, Settings } from "./state.ts";

export type OpenedSettings =
  /** `secretNames` are those of the variables that came sealed. */
  | { kind: "opened"; env: Record<string, string>; secretNames: string[] }
  /** None of these can be opened; nothing of them is told. */
  | { kind: "secrets_unreadable"; names: string[] };

/** The variables that the settings become in a machine, with every sealed value opened. Nobody but a machine is told of them. */
export async function openSettings(
  settings: Settings,
  userId: string,
  box: SecretBox,
): Promise<OpenedSettings> {
  const sealed = sealedValuesOf(settings);
  const secrets: Record<string, string> = {};
  const unreadable: string[] = [];
  for (const { name, sealed: text } of sealed) {
    const opened = await box.open(text, { name, userId });
    if (opened.kind === "opened") secrets[name] = opened.value;
    else unreadable.push(name);
  }
  if (unreadable.length > 0) return { kind: "secrets_unreadable", names: unreadable };
  const { kilocodeApiKey, kilocodeDefaultModel, channels } = settings;
  const plain: Record<string, SecretValue | null> = {
    [VARIABLE_OF.kilocodeApiKey]: kilocodeApiKey,
    [MODEL_VARIABLE]: kilocodeDefaultModel,
    [VARIABLE_OF.telegramBotToken]: channels.telegramBotToken,
    [VARIABLE_OF.discordBotToken]: channels.discordBotToken,
    [VARIABLE_OF.slackBotToken]: channels.slackBotToken,
    [VARIABLE_OF.slackAppToken]: channels.slackAppToken,
  };
  const texts = Object.entries(plain).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return {
    kind: "opened",
    env: { ...settings.envVars, ...secrets, ...Object.fromEntries(texts) },
    secretNames: Object.keys(secrets),
  };
}

/**
 * The settings that such variables were made from: the opposite of `openSettings`. What came sealed is sealed again for the
 * current key; without one it stays plain, since it would be lost else.
 */
export async function sealSettings(
  variables: Record<string, string>,
  secretNames: ReadonlySet<string>,
  userId: string,
  box: SecretBox,
): Promise<Settings> {
  const settings: Settings = {
    envVars: {},
    encryptedSecrets: {},
    kilocodeApiKey: null,
    kilocodeDefaultModel: variables[MODEL_VARIABLE] ?? null,
    channels: { telegramBotToken: null, discordBotToken: null, slackBotToken: null, slackAppToken: null },
  };
  for (const [name, value] of Object.entries(variables)) {
    if (name === MODEL_VARIABLE) continue;
    const encrypted = secretNames.has(name) ? await box.seal(value, { name, userId }) : null;
    const secret: SecretValue = encrypted === null ? value : { encrypted };
    switch (name) {
      case VARIABLE_OF.kilocodeApiKey:
        settings.kilocodeApiKey = secret;
        break;
      case VARIABLE_OF.telegramBotToken:
        settings.channels.telegramBotToken = secret;
        break;
      case VARIABLE_OF.discordBotToken:
        settings.channels.discordBotToken = secret;
        break;
      case VARIABLE_OF.slackBotToken:
        settings.channels.slackBotToken = secret;
        break;
      case VARIABLE_OF.slackAppToken:
        settings.channels.slackAppToken = secret;
        break;
      default:
        if (encrypted === null) settings.envVars[name] = value;
        else settings.encryptedSecrets[name] = encrypted;
    }
  }
  return settings;
}
