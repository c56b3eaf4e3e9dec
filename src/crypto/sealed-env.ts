import { z } from "zod";

/**
 * A machine's environment, sealed: Fly keeps `config.env` readable for everybody who may read the machine, an app's secrets for
 * nobody. So the variables go into the one as a sealed text, and the key that opens it into the other.
 *
 * The format, which the controller's own opener (controller/sealed-env.ts) reads too: `v1.` and the base64url without padding of
 * nonce (12 bytes), ciphertext and tag (16 bytes) of AES-256-GCM (NIST SP 800-38D) over the variables as one JSON object, with
 * the sandbox id as additional data, so that no machine opens what was sealed for another.
 */
export type OpenedEnv =
  | { kind: "opened"; env: Record<string, string> }
  /** The key is no key: not the base64 of 32 bytes. */
  | { kind: "unusable_key" }
  /** The text is of another version, or cut. */
  | { kind: "unreadable" }
  /** Another key, another sandbox, or altered since. */
  | { kind: "not_authentic" };

const VERSION_PREFIX = "v1.";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Linux starts no program with a variable of more than 128 KiB (MAX_ARG_STRLEN, execve(2)); a user may have more in all. */
const PART_CHARS_MAX = 100_000;

const envSchema = z.record(z.string(), z.string());

/**
 * Everything that a machine finds in `config.env`: its sandbox id, and `env` sealed in `KILOCLAW_SEALED_ENV`, which goes on in
 * `KILOCLAW_SEALED_ENV_2` and so on where it is long. The app's secret `KILOCLAW_ENV_KEY` is to be `envKey`.
 */
export async function sealMachineEnv(
  env: Record<string, string>,
  envKey: string,
  sandboxId: string,
): Promise<Record<string, string>> {
  const sealed = await sealEnv(env, envKey, sandboxId);
  const variables: Record<string, string> = { KILOCLAW_SANDBOX_ID: sandboxId };
  for (let part = 1, from = 0; from < sealed.length; part += 1, from += PART_CHARS_MAX) {
    const name = part === 1 ? "KILOCLAW_SEALED_ENV" : `KILOCLAW_SEALED_ENV_${part}`;
    variables[name] = sealed.slice(from, from + PART_CHARS_MAX);
  }
  return variables;
}

/** Seals under a fresh nonce: the same variables give another text each time. `envKey` is that of `machineTokensOf`. */
export async function sealEnv(
  env: Record<string, string>,
  envKey: string,
  sandboxId: string,
): Promise<string> {
  const key = await importKey(envKey);
  if (key === null) throw new TypeError("The key of a sealed environment is the base64 of 32 bytes");
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const plain = new TextEncoder().encode(JSON.stringify(env));
  const sealed = await crypto.subtle.encrypt(gcm(nonce, sandboxId), key, plain);
  return VERSION_PREFIX + toBase64url(nonce, new Uint8Array(sealed));
}

/** Opens what `sealEnv` made. Nothing of the text or the key is in a failure. */
export async function openEnv(sealed: string, envKey: string, sandboxId: string): Promise<OpenedEnv> {
  const key = await importKey(envKey);
  if (key === null) return { kind: "unusable_key" };
  const bytes = sealed.startsWith(VERSION_PREFIX) ? fromBase64(sealed.slice(VERSION_PREFIX.length)) : null;
  if (bytes === null || bytes.length < NONCE_BYTES + TAG_BYTES) return { kind: "unreadable" };
  const nonce = bytes.subarray(0, NONCE_BYTES);
  let plain: ArrayBuffer;
  try {
    plain = await crypto.subtle.decrypt(gcm(nonce, sandboxId), key, bytes.subarray(NONCE_BYTES));
  } catch {
    // WebCrypto says no more than that the tag is not the right one.
    return { kind: "not_authentic" };
  }
  const env = readVariables(new TextDecoder().decode(plain));
  return env === null ? { kind: "unreadable" } : { kind: "opened", env };
}

function readVariables(text: string): Record<string, string> | null {
  try {
    return envSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function gcm(iv: Uint8Array<ArrayBuffer>, sandboxId: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(sandboxId) };
}

async function importKey(envKey: string): Promise<CryptoKey | null> {
  const bytes = fromBase64(envKey);
  if (bytes?.length !== KEY_BYTES) return null;
  return crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** Chunked, since an argument list can't be as long as an environment. */
function toBase64url(...parts: Uint8Array[]): string {
  let binary = "";
  for (const part of parts) {
    for (let from = 0; from < part.length; from += 8_192) {
      binary += String.fromCharCode(...part.subarray(from, from + 8_192));
    }
  }
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Bytes of base64 in either alphabet; null for anything else. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(binary, (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}
