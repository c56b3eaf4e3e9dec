import { expect, it } from "vitest";
import { LOG_LINE_CHARS_MAX } from "../../src/gateway/wire.ts";
import { createRedaction } from "../log.ts";
import { createLineSplitter, createRing } from "./lines.ts";

function split(...parts: string[]): string[] {
  const lines: string[] = [];
  const splitter = createLineSplitter((line) => lines.push(line));
  for (const part of parts) splitter.write(part);
  splitter.end();
  return lines;
}

it("puts lines together from parts, without their ends and without empty ones", () => {
  expect(split("one\ntw", "o\r\n\n", "three")).toEqual(["one", "two", "three"]);
});

it("cuts a line that does not end, however many parts it comes in", () => {
  const lines = split("x".repeat(LOG_LINE_CHARS_MAX - 1), "yy", "z".repeat(100_000), "\nnext");
  expect(lines).toEqual([`${"x".repeat(LOG_LINE_CHARS_MAX - 1)}y`, "next"]);
});

it("S01: leaves no head of a secret that it cuts, nor a longer line for the word in a secret's place", () => {
  const lines: string[] = [];
  const { redact } = createRedaction(["canary-secret-1", "canary-8"]);
  const splitter = createLineSplitter((line) => lines.push(line), redact);
  splitter.write(`${"x".repeat(LOG_LINE_CHARS_MAX - 10)}canary-`);
  splitter.write("secret-1\ncanary-se\n");
  splitter.write(`${"canary-8".repeat(LOG_LINE_CHARS_MAX / 8)}\n`);
  expect(lines.slice(0, 2)).toEqual([`${"x".repeat(LOG_LINE_CHARS_MAX - 10)}[redacted]`, "canary-se"]);
  expect(lines[2]).toHaveLength(LOG_LINE_CHARS_MAX);
  expect(lines[2]).not.toContain("canary");
});

it("keeps the last items only", () => {
  const ring = createRing<number>(3);
  for (const item of [1, 2, 3, 4, 5]) ring.push(item);
  expect(ring.items()).toEqual([3, 4, 5]);
});
