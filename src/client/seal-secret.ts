import { calculateJwkThumbprint, CompactEncrypt, importJWK } from "jose";

/** The Worker's public key as a JWK (RFC 7517), as `GET /api/platform/public-key` gives it. */
export type PublicKey = { kty: string; n?: string; e?: string };

/** What a sealed value is for; it opens for nothing else. */
export type SealedFor = {
  /** The variable of the machine that it becomes: the secret's own name, or one of `VARIABLE_OF`. */
  name: string;
  userId: string;
};

/** Under which name the secrets are sealed that have a field of their own in a request. */
export const VARIABLE_OF = {
  kilocodeApiKey: "KILOCODE_API_KEY",
  telegramBotToken: "TELEGRAM_BOT_TOKEN",
  discordBotToken: "DISCORD_BOT_TOKEN",
  slackBotToken: "SLACK_BOT_TOKEN",
  slackAppToken: "SLACK_APP_TOKEN",
} as const;

/**
 * Seals a secret so that only the Worker opens it, and only for this variable of this user's machine: a compact JWE
 * (RFC 7516, RSA-OAEP-256 and A256GCM). Its protected header, which is authenticated, has the key's id (RFC 7638), the name
 * and the user. Send it as `{encrypted: …}` in the place of a token, or as a value of `encryptedSecrets`.
 *
 * @throws {TypeError} when the key is no RSA key
 */
export async function sealSecret(
  value: string,
  publicKey: PublicKey,
  { name, userId }: SealedFor,
): Promise<string> {
  const { kty, n, e } = publicKey;
  if (kty !== "RSA" || n === undefined || e === undefined)
    throw new TypeError("The public key is no RSA key");
  const jwk = { kty, n, e };
  const [key, kid] = await Promise.all([importJWK(jwk, "RSA-OAEP-256"), calculateJwkThumbprint(jwk)]);
  return new CompactEncrypt(new TextEncoder().encode(value))
    .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM", kid, v: 1, name, user: userId })
    .encrypt(key);
}
