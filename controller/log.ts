/** Writes one structured line. Secrets are redacted by the implementation, wherever they stand. */
export type Log = (
  level: "info" | "warn" | "error",
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

/** Takes secrets out of texts: the longer ones first, and also as they stand inside JSON, and inside JSON in JSON. */
export interface Redaction {
  readonly redact: (text: string) => string;
  /** From now on these too. What was a secret once stays hidden: it may be printed late. */
  readonly hide: (secrets: Iterable<string>) => void;
}

/** Shorter values are no secrets, and replacing them would garble the log. */
const SECRET_LENGTH_MIN = 8;
/** Some hundred settings in a dozen generations. Beyond, the oldest are forgotten, which are the likeliest to be gone. */
const SECRETS_MAX = 4_096;

export function createRedaction(secrets: Iterable<string> = []): Redaction {
  const hidden = new Set<string>();
  let texts: readonly string[] = [];
  const hide = (more: Iterable<string>): void => {
    for (const secret of more) if (secret.length >= SECRET_LENGTH_MIN) hidden.add(secret);
    for (const secret of hidden) if (hidden.size > SECRETS_MAX) hidden.delete(secret);
    // The gateway prints JSON, so a secret in it is escaped once there, and once more in our own log.
    const forms = [...hidden].flatMap((secret) => [secret, escaped(secret), escaped(escaped(secret))]);
    texts = [...new Set(forms)].toSorted((a, b) => b.length - a.length);
  };
  hide(secrets);
  return {
    redact: (text) => texts.reduce((rest, secret) => rest.replaceAll(secret, "[redacted]"), text),
    hide,
  };
}

/** A log of JSON lines through `write`. The gateway's own output passes through here too, hence the redaction. */
export function createLog(write: (line: string) => void, redaction: Redaction = createRedaction()): Log {
  return (level, message, fields = {}) =>
    write(redaction.redact(JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })));
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The sentence of an error, for a log field. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
