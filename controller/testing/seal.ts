import { createCipheriv, randomBytes } from "node:crypto";

/** Seals variables as the Worker does (src/crypto/sealed-env.ts), under a key of its own. */
export function seal(
  variables: Readonly<Record<string, string>>,
  sandboxId: string,
): { KILOCLAW_SEALED_ENV: string; KILOCLAW_ENV_KEY: string } {
  const key = randomBytes(32);
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(sandboxId));
  const ciphertext = Buffer.concat([cipher.update(JSON.stringify(variables)), cipher.final()]);
  const sealed = Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]);
  return {
    KILOCLAW_SEALED_ENV: `v1.${sealed.toString("base64url")}`,
    KILOCLAW_ENV_KEY: key.toString("base64"),
  };
}
