import { describe, expect, it } from "vitest";
import { APPLY_TRIES_MAX } from "./applied.ts";
import { driftOf } from "./drift.ts";
import { applyOutcome, beginStep, type Outcome } from "./outcome.ts";
import { noteRun } from "./ran.ts";
import type { InstanceState } from "./state.ts";
import { withIntent } from "./wishes.ts";
import type { Step } from "./step.ts";
import {
  knownMachine,
  machineIn,
  MINUTE_MS,
  NOW,
  PHASES,
  ranAs,
  SECOND_MS,
  unknown,
  wanted,
} from "./testing/records.ts";

const step: Extract<Step, { kind: "apply_settings" }> = {
  kind: "apply_settings",
  id: "m1",
  instanceId: "i1",
  generation: 3,
};
const changed = (fields: Partial<InstanceState> = {}) =>
  wanted({ status: "running", generation: 3, settingsOnlySince: 1, ...fields });
/** After the step was begun and came to this. */
const after = (outcome: Outcome, state = changed()): InstanceState => {
  const next = applyOutcome(beginStep(state, step, NOW), step, outcome, NOW);
  if (next === null) throw new Error("the record is gone");
  return next;
};
const given = { generation: 3, instanceId: "i1", isConfirmed: true };
const silent: Outcome = { kind: "unanswered", message: "the controller did not answer" };
const refused: Outcome = { kind: "settings_refused", message: "the controller answered 404 unknown_route" };
const taken = (isInEffect: boolean): Outcome => ({ kind: "settings_taken", how: "hot", isInEffect });

describe("settings that were sent to a machine that runs", () => {
  it("are its settings once its gateway was seen to use them", () => {
    const state = after(taken(true));
    expect(state).toMatchObject({ applied: given, applying: null, lastError: null, retryAt: null });
    expect(driftOf(changed({ ran: ranAs() }))).toEqual([{ kind: "settings" }]);
    expect(driftOf({ ...state, ran: ranAs() })).toEqual([]);
  });

  it("count as a try from before they are sent, whatever becomes of the object", () => {
    expect(beginStep(changed(), step, NOW).applying).toEqual({ generation: 3, tries: 1 });
    const once = after(silent);
    expect(once).toMatchObject({ applying: { tries: 1 }, applied: null, lastError: null, retryAt: null });
    expect(after(silent, once).applying).toEqual({ generation: 3, tries: APPLY_TRIES_MAX });
  });

  it("are not sent again where the controller refused them, or its gateway does not use them", () => {
    for (const outcome of [refused, taken(false)]) {
      expect(after(outcome)).toMatchObject({ applied: null, applying: { tries: APPLY_TRIES_MAX } });
    }
  });

  it("are sent once more where nothing had to change, and the gateway did not say yet that it uses them", () => {
    const late: Outcome = { kind: "settings_taken", how: "unchanged", isInEffect: false };
    const once = after(late);
    expect(once.applying).toEqual({ generation: 3, tries: 1 });
    expect(after(late, once).applying).toEqual({ generation: 3, tries: APPLY_TRIES_MAX });
  });

  it("were not tried where they could not even be opened, which is told, and tried again", () => {
    const unreadable = "secrets_unreadable" as const;
    expect(after({ kind: "failed", code: unreadable, message: "sealed", retryAfterMs: null })).toMatchObject({
      applying: { tries: 0 },
      lastError: { code: unreadable },
      retryAt: NOW + SECOND_MS,
      status: "running",
    });
  });

  it("were not tried where a newer wish ended the wait for the answer", () => {
    expect(after({ kind: "interrupted" }).applying).toEqual({ generation: 3, tries: 0 });
    const newer = { ...changed(), generation: 4, applying: { generation: 4, tries: 1 } };
    expect(applyOutcome(newer, step, { kind: "interrupted" }, NOW)?.applying).toEqual(newer.applying);
  });

  it("leave a newer generation that came meanwhile to be sent", () => {
    const newer = changed({ generation: 4, applying: null });
    expect(applyOutcome(newer, step, taken(true), NOW)?.applied).toEqual(given);
    expect(
      applyOutcome({ ...newer, applying: { generation: 4, tries: 1 } }, step, refused, NOW),
    ).toMatchObject({
      applying: { generation: 4, tries: 1 },
    });
  });

  it("are not those of a machine that took the place of theirs", () => {
    const other = changed({ machine: { ...knownMachine, id: "m2" } });
    expect(applyOutcome(other, step, taken(true), NOW)).toEqual(other);
  });

  it("are tried anew when a user asks for anything", () => {
    expect(
      withIntent(changed({ applying: { generation: 3, tries: 2 } }), "running", NOW).applying,
    ).toBeNull();
  });
});

describe("what a machine was given while it ran", () => {
  const state = changed({ ran: ranAs(), applied: given });

  it("stays known while it runs", () => {
    expect(noteRun(state, machineIn("up")).applied).toBe(given);
    expect(noteRun(state, unknown).applied).toBe(given);
  });

  it("is in doubt once it restarts in its place", () => {
    const doubted = { ...given, isConfirmed: false };
    expect(noteRun(state, machineIn("up", { startedAt: NOW - MINUTE_MS })).applied).toEqual(doubted);
    for (const phase of PHASES.filter((one) => one !== "up")) {
      expect(noteRun(state, machineIn(phase)).applied).toEqual(doubted);
    }
  });

  it("is in doubt once Fly moved the machine, with what its controller keeps", () => {
    const moved = { instanceId: "i2", generation: given.generation - 1 };
    const doubted = { ...given, instanceId: "i2", isConfirmed: false };
    expect(noteRun(state, machineIn("up", moved)).applied).toEqual(doubted);
    const unsure = changed({ ran: ranAs(), applied: { ...given, isConfirmed: false } });
    const same = { instanceId: "i2", generation: given.generation };
    expect(noteRun(unsure, machineIn("up", same)).applied).toEqual(doubted);
  });

  it("is over with another configuration, and with every step that brings the newest one", () => {
    const configured = { instanceId: "i2", generation: given.generation };
    expect(noteRun(state, machineIn("up", configured)).applied).toBeNull();
    const done = (one: Step) => applyOutcome(state, one, { kind: "done" }, NOW)?.applied;
    expect(done({ kind: "start_machine", id: "m1" })).toBeNull();
    expect(done({ kind: "give_up_machine", id: "m1" })).toBeNull();
  });

  it("is nobody's knowledge of a machine that is taken over, where that seems to have what is wanted", () => {
    const adopt = (generation: number | null) =>
      applyOutcome(
        changed({ machine: { ...knownMachine, verified: false } }),
        { kind: "adopt_machine", id: "m1", instanceId: "i1", generation, volumeId: "vol_1", size: null },
        { kind: "done" },
        NOW,
      )?.applied;
    expect(adopt(3)).toEqual({ ...given, isConfirmed: false });
    expect(adopt(2)).toBeNull();
    expect(adopt(null)).toBeNull();
  });

  it("is over with a generation that was renewed, which is one to update for", () => {
    expect(applyOutcome(state, { kind: "renew_generation" }, { kind: "done" }, NOW)).toMatchObject({
      generation: 4,
      settingsOnlySince: 4,
      applied: null,
    });
  });
});
