import { PassThrough, Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { expect, it } from "vitest";
import { forEachLine } from "./lines.ts";

async function linesOf(chunks: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  const stream = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  forEachLine(stream, (line) => lines.push(line));
  await finished(stream);
  return lines;
}

it("gives every line but the blank ones, however the chunks and the line ends fall", async () => {
  expect(await linesOf(["a\nb", "c\r", "\n\n \nd\re"])).toEqual(["a", "bc", "d", "e"]);
});

it("cuts a line that is too long into several, in one chunk and in many", async () => {
  const long = "x".repeat(20_000);
  const pieces = [8_192, 8_192, 3_616];
  expect((await linesOf([`${long}\n`])).map(({ length }) => length)).toEqual(pieces);
  expect((await linesOf([...long.split(""), "\n"])).map(({ length }) => length)).toEqual(pieces);
});

it("gives a line that never ends as it comes", () => {
  const stream = new PassThrough();
  let given = 0;
  forEachLine(stream, (line) => (given += line.length));
  for (let round = 0; round < 100; round += 1) {
    stream.write("x".repeat(10_000));
    stream.read();
  }
  expect(given).toBeGreaterThan(1_000_000 - 8_192 - 10_000);
});

it("gives what was begun when the stream breaks", async () => {
  const stream = new PassThrough();
  const lines: string[] = [];
  forEachLine(stream, (line) => lines.push(line));
  stream.write("last words");
  stream.read();
  stream.destroy(new Error("broken"));
  await expect(finished(stream)).rejects.toThrow("broken");
  expect(lines).toEqual(["last words"]);
});
