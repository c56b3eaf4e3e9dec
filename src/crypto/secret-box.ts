import { calculateJwkThumbprint, compactDecrypt, decodeProtectedHeader, exportJWK, importPKCS8 } from "jose";
import { z } from "zod";
import { type PublicKey, sealSecret, type SealedFor } from "../client/seal-secret.ts";

/** The Worker's private keys as PKCS#8 PEM, already checked: the one that values are sealed for, and the one before it. */
export type SecretKeys = { current: string | null; previous: string | null };

export type OpenedSecret =
  | { kind: "opened"; value: string }
  /** The Worker has no private key at all. */
  | { kind: "no_key" }
  /** No JWE of the form that `sealSecret` gives. */
  | { kind: "malformed" }
  /** Sealed for a key that is neither the current nor the previous one. */
  | { kind: "unknown_key" }
  /** Sealed for another variable, or another user. */
  | { kind: "not_for_it" }
  /** Altered since. */
  | { kind: "not_authentic" };

export type PublicJwk = PublicKey & { kid: string; alg: string; use: "enc" };

/** Opens what was sealed for the Worker, and seals anew. */
export type SecretBox = {
  /** For whom values are to be sealed, and how (RFC 7517); null without a private key. */
  publicKey(): Promise<PublicJwk | null>;
  open(sealed: string, sealedFor: SealedFor): Promise<OpenedSecret>;
  /** For the current key; null without one. */
  seal(value: string, sealedFor: SealedFor): Promise<string | null>;
  /** Whether it is sealed for the current key, so that the previous one is of no use to it. */
  isCurrent(sealed: string): Promise<boolean>;
};

/**
 * The longest JWE that is looked at: 32 KiB of text in base64url, a header with a user id of 1024 characters of any language,
 * and a key wrapped by RSA of 4096 bits.
 */
export const SEALED_CHARS_MAX = 52_000;

const ALGORITHM = "RSA-OAEP-256";
const ENCRYPTION = "A256GCM";
const COMPACT_JWE = /^(?:[A-Za-z0-9_-]+\.){4}[A-Za-z0-9_-]+$/;

const headerSchema = z.strictObject({
  alg: z.literal(ALGORITHM),
  enc: z.literal(ENCRYPTION),
  kid: z.string().max(64),
  v: z.literal(1),
  name: z.string(),
  user: z.string(),
});

type Key = { kid: string; privateKey: CryptoKey; publicKey: PublicKey };
type Keys = { current: Key; previous: Key | null };

/** The box of these keys, which are read when they are needed first. */
export function createSecretBox({ current, previous }: SecretKeys): SecretBox {
  let reading: Promise<Keys | null> | null = null;
  const keys = (): Promise<Keys | null> => (reading ??= readKeys(current, previous));
  return {
    async publicKey() {
      const known = await keys();
      if (known === null) return null;
      const { publicKey, kid } = known.current;
      return { ...publicKey, kid, alg: ALGORITHM, use: "enc" };
    },
    async open(sealed, sealedFor) {
      const known = await keys();
      if (known === null) return { kind: "no_key" };
      const header = headerOf(sealed);
      if (header === null) return { kind: "malformed" };
      const key = [known.current, known.previous].find((candidate) => candidate?.kid === header.kid) ?? null;
      if (key === null) return { kind: "unknown_key" };
      if (header.name !== sealedFor.name || header.user !== sealedFor.userId) return { kind: "not_for_it" };
      return openWith(key.privateKey, sealed);
    },
    async seal(value, sealedFor) {
      const known = await keys();
      return known === null ? null : sealSecret(value, known.current.publicKey, sealedFor);
    },
    async isCurrent(sealed) {
      const known = await keys();
      return known !== null && headerOf(sealed)?.kid === known.current.kid;
    },
  };
}

async function readKeys(current: string | null, previous: string | null): Promise<Keys | null> {
  if (current === null) return null;
  return { current: await readKey(current), previous: previous === null ? null : await readKey(previous) };
}

async function readKey(pem: string): Promise<Key> {
  const privateKey = await importPKCS8(pem, ALGORITHM, { extractable: true });
  const { kty = "", n = "", e = "" } = await exportJWK(privateKey);
  const publicKey = { kty, n, e };
  return { kid: await calculateJwkThumbprint(publicKey), privateKey, publicKey };
}

function headerOf(sealed: string): z.infer<typeof headerSchema> | null {
  if (sealed.length > SEALED_CHARS_MAX || !COMPACT_JWE.test(sealed)) return null;
  try {
    return headerSchema.parse(decodeProtectedHeader(sealed));
  } catch {
    return null;
  }
}

/** The header is authenticated by the decryption, so what was compared of it is true when this succeeds. */
async function openWith(key: CryptoKey, sealed: string): Promise<OpenedSecret> {
  try {
    const { plaintext } = await compactDecrypt(sealed, key, {
      keyManagementAlgorithms: [ALGORITHM],
      contentEncryptionAlgorithms: [ENCRYPTION],
    });
    return {
      kind: "opened",
      value: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plaintext),
    };
  } catch {
    // A key that does not fit, an altered text and what is no text at all are one to whoever sent it.
    return { kind: "not_authentic" };
  }
}
