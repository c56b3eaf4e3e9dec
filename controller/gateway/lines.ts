import { LOG_LINE_CHARS_MAX } from "../../src/gateway/wire.ts";

/** Cuts a stream of text into lines of bounded length, without the rest of a longer one, and passes each on. */
export function createLineSplitter(onLine: (line: string) => void): {
  readonly write: (text: string) => void;
  readonly end: () => void;
} {
  let pending = "";
  const emit = (): void => {
    const line = pending.trimEnd();
    pending = "";
    if (line !== "") onLine(line);
  };
  return {
    write(text) {
      const parts = text.split("\n");
      for (const [index, part] of parts.entries()) {
        pending += part.slice(0, LOG_LINE_CHARS_MAX - pending.length);
        if (index < parts.length - 1) emit();
      }
    },
    end: emit,
  };
}

/** The last `capacity` items, oldest first. */
export function createRing<T>(capacity: number): { push(item: T): void; items(): readonly T[] } {
  const items: T[] = [];
  return {
    push(item) {
      if (items.length === capacity) items.shift();
      items.push(item);
    },
    items: () => [...items],
  };
}
