import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from "jose";
import { z } from "zod";

/**
 * A machine's environment, sealed: Fly keeps `config.env` readable for everybody who may read the machine, an app's secrets for
 * nobody. So the variables go into the one sealed, and the key that opens them into the other.
 *
 * The format, which the controller's own opener (controller/sealed-env.ts) reads too: a variable NAME is the compact JWE (RFC
 * 7516, `dir` and `A256GCM`) of its value, in `KILOCLAW_SEALED_NAME`. Its protected header, which is authenticated, has the
 * key's id, the format's version `v`, the variable's name and the sandbox id, so that none opens under another name or in
 * another tenant's machine.
 */
export type EnvKey = {
  /** Counts the tenant's keys, from 1; as text it is the key's id. */
  version: number;
  /** Base64 of 32 bytes. */
  key: string;
};

const PREFIX = "KILOCLAW_SEALED_";
const SANDBOX_ID = "KILOCLAW_SANDBOX_ID";

const headerSchema = z.strictObject({
  alg: z.literal("dir"),
  enc: z.literal("A256GCM"),
  kid: z.string().regex(/^[1-9]\d{0,6}$/),
  v: z.literal(1),
  name: z.string(),
  sandbox: z.string(),
});

/** Everything that a machine finds in `config.env`: its sandbox id, and each variable sealed by itself. */
export async function sealMachineEnv(
  env: Record<string, string>,
  envKey: EnvKey,
  sandboxId: string,
): Promise<Record<string, string>> {
  const key = bytesOf(envKey.key);
  const sealed = Object.entries(env)
    .filter(([name]) => name !== SANDBOX_ID)
    .map(async ([name, value]) => {
      const header = {
        alg: "dir",
        enc: "A256GCM",
        kid: String(envKey.version),
        v: 1,
        name,
        sandbox: sandboxId,
      };
      const jwe = await new CompactEncrypt(new TextEncoder().encode(value))
        .setProtectedHeader(header)
        .encrypt(key);
      return [PREFIX + name, jwe] as const;
    });
  return { [SANDBOX_ID]: sandboxId, ...Object.fromEntries(await Promise.all(sealed)) };
}

/** The value of the app's secret `KILOCLAW_ENV_KEY`: each key with its id, the current one first. */
export function envKeysText(keys: readonly EnvKey[]): string {
  return keys.map(({ version, key }) => `${version}:${key}`).join(",");
}

/** What was opened, and by which key; without a key where nothing was sealed. */
export type OpenedEnv = { env: Record<string, string>; keyVersion: number | null };

/**
 * Opens what `sealMachineEnv` made, or takes an environment as it is in which nothing is sealed. Null where anything of it
 * can't be opened; nothing of a text or a key is in that.
 *
 * @param keyOf the key of a version, in base64
 */
export async function openMachineEnv(
  env: Record<string, string>,
  sandboxId: string,
  keyOf: (version: number) => Promise<string>,
): Promise<OpenedEnv | null> {
  const opened: Record<string, string> = {};
  let keyVersion: number | null = null;
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX)) {
      opened[name] = value;
      continue;
    }
    const header = headerOf(value);
    if (header === null || header.sandbox !== sandboxId || PREFIX + header.name !== name) return null;
    const version = Number(header.kid);
    const text = await open(value, bytesOf(await keyOf(version)));
    if (text === null) return null;
    opened[header.name] = text;
    keyVersion = Math.max(version, keyVersion ?? 0);
  }
  return { env: opened, keyVersion };
}

function headerOf(jwe: string): z.infer<typeof headerSchema> | null {
  try {
    return headerSchema.parse(decodeProtectedHeader(jwe));
  } catch {
    return null;
  }
}

async function open(jwe: string, key: Uint8Array): Promise<string | null> {
  try {
    const { plaintext } = await compactDecrypt(jwe, key, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
    });
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plaintext);
  } catch {
    return null;
  }
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
