type Fields = Record<string, unknown>;

export type Logger = {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
};

/** Names of fields whose values must not be written, wherever they come from. */
const SECRET_NAME = /token|secret|password|pepper|authorization|cookie|apikey|api_key|accesscode/i;
const TEXT_CHARS_MAX = 2_000;

/** Structured logs: one JSON object a line, which Workers Logs indexes by field. */
export function createLogger(room: string): Logger {
  const write =
    (level: "debug" | "info" | "warn" | "error") =>
    (event: string, fields: Fields = {}): void => {
      console[level](JSON.stringify({ level, room, event, ...redactFields(fields) }));
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

function redactFields(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      SECRET_NAME.test(name) ? "[redacted]" : readable(value),
    ]),
  );
}

function readable(value: unknown): unknown {
  if (value instanceof Error) return `${value.name}: ${value.message}`.slice(0, TEXT_CHARS_MAX);
  return typeof value === "string" ? value.slice(0, TEXT_CHARS_MAX) : value;
}
