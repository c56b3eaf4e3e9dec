/** Writes one structured line. Secrets are redacted by the implementation, wherever they stand. */
export type Log = (
  level: "info" | "warn" | "error",
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

/** Takes secrets out of texts: whole, line by line, as they stand inside JSON, and inside JSON in JSON. */
export interface Redaction {
  readonly redact: Redact;
  /** From now on these too. What was a secret once stays hidden: it may be printed late. */
  readonly hide: (secrets: Iterable<string>) => void;
}

/** @param isCut whether the text was cut short, so that it may end within a secret */
export type Redact = (text: string, isCut?: boolean) => string;

/** Shorter values are no secrets, and replacing them would garble the log. */
const SECRET_LENGTH_MIN = 8;
/**
 * Of those that come later: some hundred settings in a dozen generations. Beyond, the oldest are forgotten, which are the
 * likeliest to be gone.
 */
const LATER_MAX = 4_096;

/** @param secrets are never forgotten: the controller's own are among them */
export function createRedaction(secrets: Iterable<string> = []): Redaction {
  const first = new Set([...secrets].flatMap(partsOf));
  const later = new Set<string>();
  let texts = formsOf(first);
  return {
    redact: (text, isCut = false) => withoutSpans(text, spansOf(text, texts, isCut)),
    hide(more) {
      // The lines before what they are lines of, which is the newer and stays longer.
      for (const part of [...more].flatMap(partsOf)) {
        if (first.has(part)) continue;
        later.delete(part);
        later.add(part);
      }
      for (const part of later) if (later.size > LATER_MAX) later.delete(part);
      texts = formsOf([...first, ...later]);
    },
  };
}

/** A secret of several lines, as a PEM key, is printed line by line too. */
function partsOf(secret: string): readonly string[] {
  const lines = secret.split(/[\r\n]+/).map((line) => line.trim());
  return [...new Set([...lines, secret])].filter((part) => part.length >= SECRET_LENGTH_MIN);
}

/** The gateway prints JSON, so a secret in it is escaped once there, and once more in our own log. */
function formsOf(secrets: Iterable<string>): readonly string[] {
  return [...new Set([...secrets].flatMap((text) => [text, escaped(text), escaped(escaped(text))]))];
}

interface Span {
  readonly from: number;
  readonly to: number;
}

function spansOf(text: string, secrets: readonly string[], isCut: boolean): readonly Span[] {
  const spans: Span[] = [];
  for (const secret of secrets) {
    let from = text.indexOf(secret);
    for (; from !== -1; from = text.indexOf(secret, from + secret.length))
      spans.push({ from, to: from + secret.length });
    const tail = isCut ? tailWithin(text, secret) : 0;
    if (tail > 0) spans.push({ from: text.length - tail, to: text.length });
  }
  return spans.toSorted((a, b) => a.from - b.from);
}

/** How many characters at the end of the text are the beginning of the secret; 0 for fewer than a secret has. */
function tailWithin(text: string, secret: string): number {
  const head = secret.slice(0, SECRET_LENGTH_MIN);
  let from = text.indexOf(head, Math.max(0, text.length - secret.length));
  for (; from !== -1; from = text.indexOf(head, from + 1))
    if (secret.startsWith(text.slice(from))) return text.length - from;
  return 0;
}

/** Secrets that overlap go as one, so that nothing of either is left. */
function withoutSpans(text: string, spans: readonly Span[]): string {
  let rest = "";
  let end = 0;
  for (const { from, to } of spans) {
    if (from >= end) rest += `${text.slice(end, from)}[redacted]`;
    end = Math.max(end, to);
  }
  return rest + text.slice(end);
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
