import { expect, it } from "vitest";
import { parseDurationMs } from "./duration.ts";

it.each([
  ["10s", 10_000],
  ["1m30s", 90_000],
  ["500ms", 500],
  ["1.5h", 5_400_000],
  ["0", 0],
  [5_000_000_000, 5000],
])("reads the duration %s as %d ms", (text, milliseconds) => {
  expect(parseDurationMs(text)).toBe(milliseconds);
});

it.each(["", "10", "s", "10 s", "-1s", -1, Number.NaN])("reads no duration from %j", (text) => {
  expect(parseDurationMs(text)).toBeUndefined();
});
