/** Writes one structured line. Secrets are redacted by the implementation, wherever they stand. */
export type Log = (
  level: "info" | "warn" | "error",
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

/** Shorter values are no secrets, and replacing them would garble the log. */
const SECRET_LENGTH_MIN = 8;

/** Replaces every occurrence of the secrets in a text, longer ones first, also as they stand inside JSON. */
export function createRedaction(secrets: Iterable<string>): (text: string) => string {
  const hidden = [...new Set([...secrets].flatMap((secret) => [secret, escaped(secret)]))]
    .filter((secret) => secret.length >= SECRET_LENGTH_MIN)
    .toSorted((a, b) => b.length - a.length);
  return (text) => hidden.reduce((rest, secret) => rest.replaceAll(secret, "[redacted]"), text);
}

/**
 * A log of JSON lines through `write`. Every occurrence of a secret is replaced: the gateway's own output
 * passes through here too.
 */
export function createLog(write: (line: string) => void, secrets: Iterable<string> = []): Log {
  const redact = createRedaction([...secrets].map(escaped));
  return (level, message, fields = {}) =>
    write(redact(JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })));
}

/** As it stands inside JSON. The gateway prints JSON, so a secret in it is escaped once there, and once more in our own log. */
function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The sentence of an error, for a log field. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
