import { describe, expect, it } from "vitest";
import { decide } from "../decide.ts";
import type { ObservedLeftover } from "../observation.ts";
import { dueLeftover } from "../patience.ts";
import type { InstanceState } from "../state.ts";
import {
  doomed,
  freeVolume,
  HOUR_MS,
  leftover,
  machineIn,
  MINUTE_MS,
  none,
  NOW,
  ready,
  saw,
  SECOND_MS,
  unwanted,
  wanted,
} from "../testing/records.ts";

const left = leftover();
const seenAs = (kind: "unknown" | "absent" | "present"): ObservedLeftover => ({ kind, id: "vol_9" });

describe("of an instance that is at rest", () => {
  it.each([
    ["running", wanted(), saw(machineIn("up"), none, ready)],
    ["stopped", unwanted(), saw(machineIn("down"))],
    ["without a machine", unwanted({ machine: null }), saw(none, freeVolume)],
  ] as const)("what is not needed any more is deleted (%s)", (_what, state, seen) => {
    const next = (
      kind: "unknown" | "absent" | "present",
      fields: Partial<InstanceState["leftovers"][0]> = {},
    ) => decide({ ...state, leftovers: [{ ...left, ...fields }] }, { ...seen, leftover: seenAs(kind) }, NOW);
    const step = { left: { kind: "volume", id: "vol_9" } };
    expect(next("present")).toMatchObject({ step: { kind: "delete_leftover", ...step } });
    expect(next("absent")).toMatchObject({ step: { kind: "forget_leftover", ...step } });
    expect(next("unknown")).toMatchObject({ step: { kind: "postpone_leftover", ...step } });
    expect(next("absent", { visibleFrom: NOW + 1 })).toMatchObject({ step: { kind: "postpone_leftover" } });
  });
});

it("goes before a machine is made, since it may hold what that needs", () => {
  const state = wanted({ machine: null, leftovers: [leftover({ kind: "machine", id: "m9" })] });
  const seen = saw(none, freeVolume, none, { leftover: { kind: "present", id: "m9" } });
  expect(decide(state, seen, NOW)).toMatchObject({
    step: { kind: "delete_leftover", left: { kind: "machine", id: "m9" } },
  });
});

it("keeps nothing from being at rest, and is told when it is due", () => {
  const later = leftover({ retryAt: NOW + MINUTE_MS });
  const seen = saw(machineIn("up"), none, ready);
  expect(decide(wanted({ leftovers: [later], inventoryAt: null }), seen, NOW)).toMatchObject({
    kind: "settled",
    status: "running",
    againAt: NOW + MINUTE_MS,
  });
  expect(decide(wanted({ inventoryAt: null }), seen, NOW)).toMatchObject({ kind: "settled", againAt: null });
});

it("is nobody's business that the record does not know", () => {
  const seen = saw(machineIn("up"), none, ready, { leftover: { kind: "present", id: "vol_of_another" } });
  expect(decide(wanted({ leftovers: [left] }), seen, NOW)).toMatchObject({ kind: "settled" });
});

describe("which one is due", () => {
  const due = (leftovers: InstanceState["leftovers"], isReady = true, now = NOW) =>
    dueLeftover(wanted({ leftovers }), isReady, now)?.id;

  it("is the first whose time has come", () => {
    const waiting = leftover({ id: "vol_8", retryAt: NOW + SECOND_MS });
    expect(due([waiting, left])).toBe("vol_9");
    expect(due([waiting, left], true, NOW + SECOND_MS)).toBe("vol_8");
    expect(due([waiting])).toBeUndefined();
  });

  it("is none that is kept for a while", () => {
    const kept = leftover({ notBefore: NOW + HOUR_MS });
    expect(due([kept])).toBeUndefined();
    expect(due([kept], true, NOW + HOUR_MS)).toBe("vol_9");
  });

  it("is none that is the way back, while the instance is not ready", () => {
    const fallback = leftover({ whenReady: true });
    expect(due([fallback], false)).toBeUndefined();
    expect(due([fallback], true)).toBe("vol_9");
  });

  it("is any, when everything is to go", () => {
    const kept = leftover({ notBefore: NOW + HOUR_MS, whenReady: true });
    expect(dueLeftover(doomed({ leftovers: [kept] }), false, NOW)?.id).toBe("vol_9");
  });
});
