import { createCipheriv, randomBytes } from "node:crypto";

export type Sealing = Readonly<Record<string, string>> & { readonly KILOCLAW_ENV_KEY: string };

/** Seals variables as the Worker does (src/crypto/sealed-env.ts), under a key of its own with this id. */
export function seal(variables: Readonly<Record<string, string>>, sandboxId: string, keyId = "2"): Sealing {
  const key = randomBytes(32);
  const sealed = Object.entries(variables).map(
    ([name, value]) => [`KILOCLAW_SEALED_${name}`, sealOne(name, value, { key, keyId, sandboxId })] as const,
  );
  return { ...Object.fromEntries(sealed), KILOCLAW_ENV_KEY: `${keyId}:${key.toString("base64")}` };
}

/** A compact JWE by hand (RFC 7516 §5.1). */
function sealOne(
  name: string,
  value: string,
  { key, keyId, sandboxId }: { key: Buffer; keyId: string; sandboxId: string },
): string {
  const protectedHeader = { alg: "dir", enc: "A256GCM", kid: keyId, v: 1, name, sandbox: sandboxId };
  const header = Buffer.from(JSON.stringify(protectedHeader)).toString("base64url");
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(header));
  const ciphertext = Buffer.concat([cipher.update(value), cipher.final()]);
  const parts = [nonce, ciphertext, cipher.getAuthTag()].map((part) => part.toString("base64url"));
  return [header, "", ...parts].join(".");
}
