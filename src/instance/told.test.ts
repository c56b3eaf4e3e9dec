import { describe, expect, it } from "vitest";
import { unknown } from "./decisions.ts";
import type { InstanceState } from "./state.ts";
import type { Decision } from "./step.ts";
import { applyDecision } from "./told.ts";
import { HOUR_MS, NOW, record, SECOND_MS } from "./testing/records.ts";

describe("what a decision tells", () => {
  const settled = (status: "running" | "stopped"): Decision => ({
    kind: "settled",
    status,
    reason: "",
    problem: null,
    againAt: null,
  });

  it("dates the changes of the status, and only those", () => {
    const running = applyDecision(record({ status: "starting" }), settled("running"), NOW + 1);
    expect(running).toMatchObject({ status: "running", statusSince: NOW + 1, lastStoppedAt: null });
    expect(applyDecision(running, settled("running"), NOW + 9)).toEqual(running);
    const stopped = applyDecision(running, settled("stopped"), NOW + 5);
    expect(stopped).toMatchObject({ statusSince: NOW + 5, lastStoppedAt: NOW + 5 });
  });

  it("ends the counts of what failed when nothing is left to do", () => {
    const tired = record({ failures: 9, capacityTries: 3, retryAt: NOW });
    expect(applyDecision(tired, settled("running"), NOW)).toMatchObject({
      failures: 0,
      capacityTries: 0,
      retryAt: null,
    });
  });

  it("keeps the instant at which a problem was first seen, and what it said of the next look until then", () => {
    const problem = { code: "host_unreachable", message: "away" } as const;
    const waiting = (until: number): Decision => ({
      kind: "wait",
      on: "time",
      until,
      reason: "",
      status: "starting",
      problem,
      failed: false,
    });
    const once = applyDecision(record(), waiting(NOW + 10_000), NOW);
    expect(once.lastError).toEqual({ ...problem, at: NOW, attempts: 1, nextTryAt: NOW + 10_000 });
    expect(applyDecision(once, waiting(NOW + 12_000), NOW + 2_000)).toEqual(once);
    expect(applyDecision(once, waiting(NOW + 20_000), NOW + 10_000).lastError).toMatchObject({
      at: NOW,
      nextTryAt: NOW + 20_000,
    });
  });

  it("takes an error back when there is none any more", () => {
    const lastError = { code: "fly_busy", message: "busy", at: NOW, attempts: 1, nextTryAt: null } as const;
    expect(applyDecision(record({ lastError }), settled("running"), NOW).lastError).toBeNull();
  });

  it("counts a look that failed like a step that failed", () => {
    const blind: Decision = {
      kind: "wait",
      on: "time",
      until: NOW,
      reason: "",
      status: "starting",
      problem: { code: "fly_unreachable", message: "silence" },
      failed: true,
    };
    const once = applyDecision(record(), blind, NOW);
    expect(once).toMatchObject({ failures: 1, retryAt: NOW + SECOND_MS });
    expect(applyDecision(once, blind, NOW)).toMatchObject({ failures: 2, retryAt: NOW + 2 * SECOND_MS });
  });

  it("waits for as long as Fly asked for before it looks again, but not longer than a minute", () => {
    const busy = (retryAfterMs: number): Decision =>
      unknown({ code: "fly_busy", why: "Fly asks for fewer calls", retryAfterMs }, "running", NOW);
    const pauseOf = (state: InstanceState, retryAfterMs: number) =>
      (applyDecision(state, busy(retryAfterMs), NOW).retryAt ?? 0) - NOW;
    expect(pauseOf(record(), 30 * SECOND_MS)).toBe(30 * SECOND_MS);
    expect(pauseOf(record(), 24 * HOUR_MS)).toBe(60 * SECOND_MS);
    // What failed often already is not looked at sooner than it would be anyway.
    expect(pauseOf(record({ failures: 4 }), 3 * SECOND_MS)).toBe(16 * SECOND_MS);
    expect(applyDecision(record(), busy(30 * SECOND_MS), NOW).lastError).toMatchObject({
      code: "fly_busy",
      nextTryAt: NOW + 30 * SECOND_MS,
    });
  });
});
