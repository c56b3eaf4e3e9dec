import type { Readable } from "node:stream";

/** A line longer than this is cut into several. */
const lineCharactersMax = 16_384;

/** Calls `onLine` for each line of `stream`, and for what is left at its end. */
export function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line.endsWith("\r") ? line.slice(0, -1) : line);
    while (rest.length > lineCharactersMax) {
      onLine(rest.slice(0, lineCharactersMax));
      rest = rest.slice(lineCharactersMax);
    }
  });
  stream.once("end", () => {
    if (rest !== "") onLine(rest);
  });
}
