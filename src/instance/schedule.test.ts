import { describe, expect, it } from "vitest";
import { nextAlarmAt } from "./schedule.ts";
import type { Status } from "./state.ts";
import { MINUTE_MS, NOW, SECOND_MS } from "./testing/records.ts";

const TRANSITIONS: Status[] = ["starting", "stopping", "recovering", "destroying"];

const settled = { kind: "settled", againAt: null } as const;
const pending = (inMs: number) => ({ kind: "pending", nextAt: NOW + inMs }) as const;

/** How long the alarm waits in a transition of such an age. */
const pauseAt = (ageMs: number, status: Status = "starting", nextInMs = 0): number =>
  nextAlarmAt(status, NOW - ageMs, pending(nextInMs), NOW, 0) - NOW;

describe("at rest", () => {
  it.each([
    ["running", 5],
    ["stopped", 30],
    ["provisioned", 30],
    ["destroying", 1],
  ] as const)("looks at a %s instance every %i minutes, however long it has been so", (status, minutes) => {
    expect(nextAlarmAt(status, NOW, settled, NOW, 0)).toBe(NOW + minutes * MINUTE_MS);
    expect(nextAlarmAt(status, 0, settled, NOW, 0)).toBe(NOW + minutes * MINUTE_MS);
  });
});

it("looks earlier at an instance at rest of which something is left to do, but never at once", () => {
  const again = (inMs: number): number =>
    nextAlarmAt("running", NOW, { kind: "settled", againAt: NOW + inMs }, NOW, 0) - NOW;
  expect(again(20 * SECOND_MS)).toBe(20 * SECOND_MS);
  expect(again(60 * MINUTE_MS)).toBe(5 * MINUTE_MS);
  expect(again(-MINUTE_MS)).toBe(2 * SECOND_MS);
});

describe.each(TRANSITIONS)("while %s", (status) => {
  it("looks after seconds, ever more rarely, and at least once a minute", () => {
    const ages = [0, 10, 60, 120, 240, 3_600].map((seconds) => pauseAt(seconds * SECOND_MS, status));
    expect(ages).toEqual([2, 2.5, 15, 30, 60, 60].map((seconds) => seconds * SECOND_MS));
  });
});

it("does not look before the next try", () => {
  expect(pauseAt(0, "starting", 45 * SECOND_MS)).toBe(45 * SECOND_MS);
});

it("looks again within the status's own rest, however far away the next try is", () => {
  expect(pauseAt(0, "starting", 60 * MINUTE_MS)).toBe(MINUTE_MS);
  expect(pauseAt(0, "stopped", 60 * MINUTE_MS)).toBe(30 * MINUTE_MS);
});

it("never rings in the past, also for a try that was due long ago", () => {
  expect(pauseAt(0, "starting", -60 * MINUTE_MS)).toBe(2 * SECOND_MS);
});

it("spreads instances by up to a tenth of the pause", () => {
  expect(nextAlarmAt("running", NOW, settled, NOW, 0.5)).toBe(NOW + 5.25 * MINUTE_MS);
  expect(nextAlarmAt("running", NOW, settled, NOW, 0.999_999)).toBeLessThanOrEqual(NOW + 5.5 * MINUTE_MS);
});
