import { type SealedFor, VARIABLE_OF } from "../client/seal-secret.ts";
import type { OpenedSecret, SecretBox } from "../crypto/secret-box.ts";
import type { SecretIssue, SettingsRefusal } from "./operations.ts";
import type { SecretValue, Settings } from "./state.ts";

/** The longest value that a user can set. In UTF-8 it is shorter still, so that sealed it fits one variable of a machine. */
export const SECRET_CHARS_MAX = 16_384;
const SECRET_BYTES_MAX = 32_768;
/** The longest token of a channel that was seen has 120 characters. */
export const TOKEN_CHARS_MAX = 1_024;

type Channels = Settings["channels"];

/** The parts of a request, or of settings, that may be sealed. */
export type SealableParts = {
  encryptedSecrets?: Record<string, string | null> | undefined;
  kilocodeApiKey?: SecretValue | null | undefined;
  channels?: { [Channel in keyof Channels]?: SecretValue | null } | undefined;
};

/** A sealed value: the field in which it stands, and the variable that it becomes. */
type SealedValue = { path: string; name: string; sealed: string };

/** New seals by the ones that they take the place of. */
export type Seals = ReadonlyMap<string, string>;

const CHANNELS = ["telegramBotToken", "discordBotToken", "slackBotToken", "slackAppToken"] as const;

export function sealedValuesOf(parts: SealableParts): SealedValue[] {
  const { encryptedSecrets = {}, kilocodeApiKey, channels = {} } = parts;
  const secrets = Object.entries(encryptedSecrets).map(([name, sealed]) => ({
    path: `encryptedSecrets.${name}`,
    name,
    sealed,
  }));
  const fields = CHANNELS.map((channel) => ({
    path: `channels.${channel}`,
    name: VARIABLE_OF[channel],
    sealed: sealOf(channels[channel]),
  }));
  const key = { path: "kilocodeApiKey", name: VARIABLE_OF.kilocodeApiKey, sealed: sealOf(kilocodeApiKey) };
  return [...secrets, key, ...fields].flatMap(({ sealed, ...where }) =>
    sealed === null ? [] : [{ ...where, sealed }],
  );
}

function sealOf(value: SecretValue | null | undefined): string | null {
  return typeof value === "object" && value !== null ? value.encrypted : null;
}

/** The settings with other seals of the same values. */
export function withSeals(settings: Settings, seals: Seals): Settings {
  const anew = (value: SecretValue | null): SecretValue | null => {
    const sealed = sealOf(value);
    return sealed === null ? value : { encrypted: seals.get(sealed) ?? sealed };
  };
  const { encryptedSecrets, kilocodeApiKey, channels } = settings;
  return {
    ...settings,
    encryptedSecrets: Object.fromEntries(
      Object.entries(encryptedSecrets).map(([name, sealed]) => [name, seals.get(sealed) ?? sealed]),
    ),
    kilocodeApiKey: anew(kilocodeApiKey),
    channels: {
      telegramBotToken: anew(channels.telegramBotToken),
      discordBotToken: anew(channels.discordBotToken),
      slackBotToken: anew(channels.slackBotToken),
      slackAppToken: anew(channels.slackAppToken),
    },
  };
}

/** Whether sealed values of a request are usable, and under which seals they are stored. */
export type Admission = { kind: "admitted"; seals: Seals } | AdmissionRefusal;
type AdmissionRefusal = Extract<SettingsRefusal, { kind: "invalid_secrets" | "no_secrets_key" }>;

/**
 * Opens each sealed value of a request once, so that one that no machine could be started with is refused at once. No two
 * seals of a value are alike: what is known already keeps the seal that is stored, so that nothing is taken for changed. What
 * is sealed for the previous key is sealed for the current one, so that no value of an instance is, once it was rotated.
 */
export async function admitSecrets(
  request: SealableParts,
  known: Settings | null,
  userId: string,
  box: SecretBox,
): Promise<Admission> {
  const given = sealedValuesOf(request);
  if (given.length === 0) return { kind: "admitted", seals: new Map() };
  if ((await box.publicKey()) === null) return { kind: "no_secrets_key" };
  const stored = new Map(
    (known === null ? [] : sealedValuesOf(known)).map(({ path, sealed }) => [path, sealed]),
  );
  const issues: SecretIssue[] = [];
  const seals = new Map<string, string>();
  for (const { path, name, sealed } of given) {
    const opened = await box.open(sealed, { name, userId });
    const fault = opened.kind === "opened" ? faultOf(opened.value, path) : FAULTS[opened.kind];
    if (fault !== null) issues.push({ path, message: fault });
    if (opened.kind !== "opened") continue;
    const before = stored.get(path);
    const isKnown = before !== undefined && (await opensTo(opened.value, before, { name, userId }, box));
    const seal = isKnown ? before : await sealedForCurrent(opened.value, sealed, { name, userId }, box);
    if (seal !== sealed) seals.set(sealed, seal);
  }
  return issues.length > 0 ? { kind: "invalid_secrets", issues } : { kind: "admitted", seals };
}

/** Whether it is sealed for the current key, and says this. */
async function opensTo(
  value: string,
  sealed: string,
  sealedFor: SealedFor,
  box: SecretBox,
): Promise<boolean> {
  if (!(await box.isCurrent(sealed))) return false;
  const opened = await box.open(sealed, sealedFor);
  return opened.kind === "opened" && opened.value === value;
}

/** The same seal where it is for the current key, else a new one. */
async function sealedForCurrent(
  value: string,
  sealed: string,
  sealedFor: SealedFor,
  box: SecretBox,
): Promise<string> {
  if (await box.isCurrent(sealed)) return sealed;
  return (await box.seal(value, sealedFor)) ?? sealed;
}

const FAULTS: Record<Exclude<OpenedSecret["kind"], "opened">, string> = {
  no_key: "can't be opened",
  malformed: "is not a compact JWE as sealSecret of kiloclaw/client gives it",
  unknown_key: "is sealed for a key that is not valid; GET /api/platform/public-key has the one that is",
  not_for_it: "is sealed for another variable or another user",
  not_authentic:
    "can't be opened: it was altered, or the key in its header is not the one that it was sealed for",
};

function faultOf(value: string, path: string): string | null {
  const charsMax = path.startsWith("channels.") ? TOKEN_CHARS_MAX : SECRET_CHARS_MAX;
  if (value === "") return "is empty";
  if (value.length > charsMax) return `has more than ${charsMax} characters`;
  return secretFault(value);
}

/** What makes a text unusable as a variable's value, sealed or not; null for one that is usable. */
export function secretFault(value: string): string | null {
  if (value.includes("\0")) return "contains a zero character";
  if (new TextEncoder().encode(value).length > SECRET_BYTES_MAX)
    return `has more than ${SECRET_BYTES_MAX} bytes`;
  return null;
}

export type Resealed = { kind: "resealed"; seals: Seals } | ResealRefusal;
type ResealRefusal = Extract<SettingsRefusal, { kind: "secrets_unreadable" | "no_secrets_key" }>;

/** Every sealed value of the settings, sealed for the current key. */
export async function resealSecrets(settings: Settings, userId: string, box: SecretBox): Promise<Resealed> {
  const seals = new Map<string, string>();
  const names: string[] = [];
  for (const { name, sealed } of sealedValuesOf(settings)) {
    const opened = await box.open(sealed, { name, userId });
    if (opened.kind === "no_key") return { kind: "no_secrets_key" };
    if (opened.kind !== "opened") names.push(name);
    else seals.set(sealed, await sealedForCurrent(opened.value, sealed, { name, userId }, box));
  }
  return names.length > 0 ? { kind: "secrets_unreadable", names } : { kind: "resealed", seals };
}
