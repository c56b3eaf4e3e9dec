import { LOG_LINE_CHARS_MAX } from "../../src/gateway/wire.ts";
import type { Redact } from "../log.ts";

/**
 * Cuts a stream of text into lines of bounded length, without the rest of a longer one, and passes each on.
 *
 * @param redact takes secrets out of a line, and what a cut left of one
 */
export function createLineSplitter(
  onLine: (line: string) => void,
  redact: Redact = (line) => line,
): {
  readonly write: (text: string) => void;
  readonly end: () => void;
} {
  let pending = "";
  let isCut = false;
  const emit = (): void => {
    // What stands in a secret's place may be longer than it.
    const line = redact(pending.trimEnd(), isCut).slice(0, LOG_LINE_CHARS_MAX);
    pending = "";
    isCut = false;
    if (line !== "") onLine(line);
  };
  return {
    write(text) {
      const parts = text.split("\n");
      for (const [index, part] of parts.entries()) {
        const room = LOG_LINE_CHARS_MAX - pending.length;
        isCut ||= part.length > room;
        pending += part.slice(0, room);
        if (index < parts.length - 1) emit();
      }
    },
    end: emit,
  };
}

/** The last `capacity` items, oldest first, and no more of them than weigh `weight.max` together. */
export function createRing<T>(
  capacity: number,
  weight: { readonly of: (item: T) => number; readonly max: number } = { of: () => 0, max: 0 },
): { push(item: T): void; items(): readonly T[] } {
  const items: T[] = [];
  let total = 0;
  return {
    push(item) {
      items.push(item);
      total += weight.of(item);
      while (items.length > capacity || total > weight.max) {
        const oldest = items.shift();
        if (oldest === undefined) return;
        total -= weight.of(oldest);
      }
    },
    items: () => [...items],
  };
}
