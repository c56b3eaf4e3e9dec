import { z } from "zod";

/**
 * Opens the environment of a machine from before each variable was sealed by itself: `v1.` and the base64url without padding of
 * nonce (12 bytes), ciphertext and tag (16 bytes) of AES-256-GCM (NIST SP 800-38D) over the variables as one JSON object, with
 * the sandbox id as additional data, in `KILOCLAW_SEALED_ENV` and, where it is long, `KILOCLAW_SEALED_ENV_2` and so on.
 */
const VERSION_PREFIX = "v1.";
const SEALED = /^KILOCLAW_SEALED_ENV(?:_(\d{1,2}))?$/;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const envSchema = z.record(z.string(), z.string());

/** Whether it is of that kind. No variable that a user may set is called ENV, so none that is sealed by itself has its name. */
export function isLegacyEnv(env: Record<string, string>): boolean {
  return env["KILOCLAW_SEALED_ENV"]?.startsWith(VERSION_PREFIX) === true;
}

/** What was sealed; null for another key or sandbox, and for what is no such text. `envKey` is the base64 of 32 bytes. */
export async function openLegacyEnv(
  env: Record<string, string>,
  envKey: string,
  sandboxId: string,
): Promise<Record<string, string> | null> {
  const parts = Object.entries(env)
    .map(([name, value]) => ({ match: SEALED.exec(name), value }))
    .filter(({ match }) => match !== null)
    .toSorted((a, b) => Number(a.match?.[1] ?? 1) - Number(b.match?.[1] ?? 1));
  const text = parts.map(({ value }) => value).join("");
  try {
    const bytes = bytesOf(text.slice(VERSION_PREFIX.length));
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
    const key = await crypto.subtle.importKey("raw", bytesOf(envKey), "AES-GCM", false, ["decrypt"]);
    const algorithm = {
      name: "AES-GCM",
      iv: bytes.subarray(0, NONCE_BYTES),
      additionalData: new TextEncoder().encode(sandboxId),
    };
    const plain = await crypto.subtle.decrypt(algorithm, key, bytes.subarray(NONCE_BYTES));
    return envSchema.parse(JSON.parse(new TextDecoder().decode(plain)));
  } catch {
    return null;
  }
}

/** Bytes of base64 in either alphabet. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}
