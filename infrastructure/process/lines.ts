import type { Readable } from "node:stream";

/** A longer line is cut into several, so that a program that never ends its line fills neither the memory nor a log. */
const LINE_CHARS_MAX = 8_192;

/** Calls `take` with every line of a stream that is not blank. An error of the stream ends it as its end does. */
export function forEachLine(stream: Readable, take: (line: string) => void): void {
  let rest = "";
  const takePieces = (line: string): void => {
    for (let start = 0; start < line.length; start += LINE_CHARS_MAX) {
      const piece = line.slice(start, start + LINE_CHARS_MAX);
      if (piece.trim() !== "") take(piece);
    }
  };
  const finish = (): void => {
    takePieces(rest);
    rest = "";
  };
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    // A line end that is parted by a chunk's end makes a blank line at worst.
    const lines = (rest + chunk).split(/\r\n|\n|\r/u);
    rest = lines.pop() ?? "";
    for (const line of lines) takePieces(line);
    const whole = rest.length - (rest.length % LINE_CHARS_MAX);
    takePieces(rest.slice(0, whole));
    rest = rest.slice(whole);
  });
  stream.once("end", finish);
  stream.once("error", finish);
}
