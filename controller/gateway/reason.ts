const REASON_CHARS_MAX = 500;

/** The last lines that tell why, in a few words: the errors among them, or else the last one. */
export function reasonOf(lastLines: readonly string[]): string | null {
  const errors = lastLines.filter((line) =>
    /error|invalid|unrecognized|missing|refus|blocked|fail/i.test(line),
  );
  const told = errors.length > 0 ? errors.slice(-3).join(" ") : (lastLines.at(-1) ?? "");
  return told === "" ? null : told.slice(0, REASON_CHARS_MAX);
}
