const SANDBOX_ID_CHARS_MAX = 63;
/**
 * Marks the hashed form. It has 2 + 43 = 45 characters, and unpadded base64url never has a length of 4n + 1, so no
 * user id has a plain form that looks like another's hash.
 */
const HASH_PREFIX = "h_";

/**
 * The instance's deterministic name, which is also its machine's name: base64url of the user id without padding
 * where that fits 63 characters, else `h_` and the base64url SHA-256 of it.
 */
export async function sandboxIdOf(userId: string): Promise<string> {
  const bytes = new TextEncoder().encode(userId);
  const plain = base64url(bytes);
  if (plain.length <= SANDBOX_ID_CHARS_MAX) return plain;
  return HASH_PREFIX + base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
