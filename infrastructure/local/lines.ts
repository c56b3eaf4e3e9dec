import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** Longer lines are cut, so that a program that never ends its line can't fill a log line without bound. */
const LINE_CHARS_MAX = 8_192;

/** Calls `take` with every non-empty line of a stream; the stream's own errors end it like its end does. */
export function forEachLine(stream: Readable, take: (line: string) => void): void {
  const lines = createInterface({ input: stream, crlfDelay: Infinity });
  lines.on("line", (line) => {
    if (line.trim() !== "") take(line.slice(0, LINE_CHARS_MAX));
  });
  stream.on("error", () => lines.close());
}
