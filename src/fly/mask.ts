/** Shorter values are hardly secrets, and to replace them would garble what Fly said. */
const SECRET_CHARS_MIN = 4;

/**
 * Replaces every one of `secrets` in a text, also where it is quoted in JSON, as Fly's errors quote what they were sent: once
 * escaped, or twice when the quote stands in an envelope that could not be read.
 */
export function createMask(secrets: Iterable<string>): (text: string) => string {
  const hidden = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < SECRET_CHARS_MIN) continue;
    for (const form of [secret, escapeJson(secret), escapeJsonAsGo(secret)]) {
      hidden.add(form);
      hidden.add(escapeJson(form));
    }
  }
  // A value that stands inside another one must not leave the rest of that readable.
  const longestFirst = [...hidden].toSorted((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce((masked, form) => masked.replaceAll(form, "[redacted]"), text);
}

function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** Go's encoder also escapes what would be markup in HTML (https://pkg.go.dev/encoding/json#Marshal). */
function escapeJsonAsGo(text: string): string {
  return escapeJson(text).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
