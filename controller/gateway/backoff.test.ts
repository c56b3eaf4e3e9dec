import { expect, it } from "vitest";
import { backoffMs, countFailure } from "./backoff.ts";

it("waits a second, then twice as long each time, and never more than five minutes", () => {
  expect([1, 2, 3, 4, 9, 10, 1000].map(backoffMs)).toEqual([
    1_000, 2_000, 4_000, 8_000, 256_000, 300_000, 300_000,
  ]);
});

it("counts failures in a row, and begins anew after half a minute of health", () => {
  expect(countFailure(0, 0)).toBe(1);
  expect(countFailure(4, 29_999)).toBe(5);
  expect(countFailure(4, 30_000)).toBe(1);
});
