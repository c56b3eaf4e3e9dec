import { expect, it } from "vitest";
import { createLog, createRedaction } from "./log.ts";

it("writes a line of JSON with level, message and fields", () => {
  const lines: string[] = [];
  createLog((line) => lines.push(line))("warn", "something", { answer: 42 });
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { time: expect.stringMatching(/^\d{4}-.*Z$/), level: "warn", message: "something", answer: 42 },
  ]);
});

it("redacts secrets wherever they stand, the longer first, and quotes in them too", () => {
  const lines: string[] = [];
  const redaction = createRedaction(["secret-1", "secret-1-long", 'with "quotes"', "short"]);
  const log = createLog((line) => lines.push(line), redaction);
  log("info", "secret-1-long and secret-1", { deep: { value: 'with "quotes"', "secret-1": "short" } });
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    message: "[redacted] and [redacted]",
    deep: { value: "[redacted]", "[redacted]": "short" },
  });
});

it("redacts a secret with quotes in a line of JSON that the gateway printed", () => {
  const lines: string[] = [];
  const secret = 'pass"word\\1';
  createLog((line) => lines.push(line), createRedaction([secret]))(
    "info",
    JSON.stringify({ message: `it is ${secret}` }),
  );
  expect(JSON.parse(JSON.parse(lines[0] ?? "").message)).toEqual({ message: "it is [redacted]" });
});

it("redacts what became a secret later, and goes on with what was one before", () => {
  const lines: string[] = [];
  const redaction = createRedaction(["the-first-secret"]);
  const log = createLog((line) => lines.push(line), redaction);
  log("info", "the-second-secret");
  redaction.hide(["the-second-secret"]);
  log("info", "the-first-secret the-second-secret");
  expect(lines.map((line) => JSON.parse(line).message)).toEqual([
    "the-second-secret",
    "[redacted] [redacted]",
  ]);
});
