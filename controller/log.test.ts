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

const PEM = ["-----BEGIN PRIVATE KEY-----", "  MIIEvQIBADANBgkq  ", "hkiG9w0BAQEFAASC", "}", ""].join("\r\n");

it("S01: redacts a secret of several lines line by line too, beyond lines that are too short to be one", () => {
  const { redact } = createRedaction([PEM]);
  expect(redact("key: MIIEvQIBADANBgkq")).toBe("key: [redacted]");
  expect(redact("hkiG9w0BAQEFAASC }")).toBe("[redacted] }");
  expect(redact(JSON.stringify({ key: PEM }))).toBe('{"key":"[redacted]"}');
});

it("S01: leaves nothing of two secrets that overlap", () => {
  const { redact } = createRedaction(["abcdefghijkl", "ijklmnopqrst"]);
  expect(redact("it is abcdefghijklmnopqrst.")).toBe("it is [redacted].");
});

it("S01: redacts what a cut left of a secret, and an end that is none only where nothing was cut", () => {
  const { redact } = createRedaction(['a-secret-"quoted"-one', "a-secret-of-another"]);
  expect(redact("it is a-secret-of", true)).toBe("it is [redacted]");
  expect(redact('it is a-secret-\\"quo', true)).toBe("it is [redacted]");
  expect(redact("a-secret-of a-secret", true)).toBe("a-secret-of [redacted]");
  expect(redact("it is a-secret-of")).toBe("it is a-secret-of");
  expect(redact("it is a-secr", true)).toBe("it is a-secr");
});

it("S01: never forgets what it began with, and of the later ones those that were heard of last", () => {
  const { redact, hide } = createRedaction(["the-controllers-own"]);
  const many = (label: string): string[] => Array.from({ length: 3_000 }, (_, n) => `${label}-secret-${n}.`);
  hide(["heard-of-again", "heard-of-once"]);
  hide(many("first"));
  hide(["heard-of-again", "the-controllers-own"]);
  hide(many("second"));
  expect(redact("the-controllers-own heard-of-again second-secret-0. heard-of-once")).toBe(
    "[redacted] [redacted] [redacted] heard-of-once",
  );
});
