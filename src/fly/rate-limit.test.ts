import { expect, it } from "vitest";
import { createRateLimiter, type Permit, RATES } from "./rate-limit.ts";

function atInstants() {
  let nowMs = 1_000_000;
  const limiter = createRateLimiter(() => nowMs);
  const ask = (times: number, key = "start m1", rate = RATES.action): Permit[] =>
    Array.from({ length: times }, () => limiter.ask(key, rate));
  return {
    limiter,
    ask,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

const granted = (...waits: number[]): Permit[] => waits.map((waitMs) => ({ kind: "granted", waitMs }));

it("lets a burst of three pass, delays what fits into two seconds, and refuses the rest", () => {
  const { ask } = atInstants();
  expect(ask(4)).toEqual(granted(0, 0, 0, 1_025));
  expect(ask(2)).toEqual([
    { kind: "refused", retryAfterMs: 2_050 },
    { kind: "refused", retryAfterMs: 2_050 },
  ]);
});

it("lets a little less than one a second pass from then on, for what arrives unevenly", () => {
  const { ask, pass } = atInstants();
  ask(3);
  for (let second = 0; second < 5; second += 1) {
    pass(1_025);
    expect(ask(1)).toEqual(granted(0));
  }
  expect(ask(1)).toEqual(granted(1_025));
});

it("has a full burst again after a rest", () => {
  const { ask, pass } = atInstants();
  ask(3);
  pass(60_000);
  expect(ask(4)).toEqual(granted(0, 0, 0, 1_025));
});

it("does not count what it refused", () => {
  const { ask, pass } = atInstants();
  ask(50);
  pass(2_050);
  expect(ask(1)).toEqual(granted(0));
});

it("lets reads of a machine pass ten at once and five a second", () => {
  const { limiter } = atInstants();
  const waits = Array.from({ length: 12 }, () => limiter.ask("get m1", RATES.getMachine));
  expect(waits).toEqual(granted(...Array.from({ length: 10 }, () => 0), 225, 450));
});

it("never lets more than Fly allows pass in any stretch of time", () => {
  const { limiter, pass } = atInstants();
  const sentAt: number[] = [];
  let at = 0;
  for (let i = 0; i < 2_000; i += 1) {
    const permit = limiter.ask("update m1", RATES.action);
    if (permit.kind === "granted") sentAt.push(at + permit.waitMs);
    const step = (i * 7_919) % 400;
    pass(step);
    at += step;
  }
  for (const [index, start] of sentAt.entries()) {
    const inTenSeconds = sentAt.slice(index).filter((instant) => instant < start + 10_000).length;
    expect(inTenSeconds).toBeLessThanOrEqual(3 + 10);
  }
  expect(sentAt.length).toBeGreaterThan(at / 1_025 - 1);
});

it("counts each action on each machine by itself", () => {
  const { ask } = atInstants();
  ask(5, "start m1");
  expect(ask(1, "start m2")).toEqual(granted(0));
  expect(ask(1, "stop m1")).toEqual(granted(0));
});

it("forgets the bucket that was unused for longest, and no other, when there are too many", () => {
  const { ask } = atInstants();
  ask(5, "first");
  ask(5, "second");
  for (let i = 0; i < 4_094; i += 1) ask(1, `other ${i}`);
  expect(ask(1, "second")[0]?.kind).toBe("refused");
  ask(1, "one too many");
  expect(ask(1, "first")).toEqual(granted(0));
});
