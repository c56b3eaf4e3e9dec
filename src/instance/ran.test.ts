import { describe, expect, it } from "vitest";
import { driftOf, digestOf } from "./drift.ts";
import { statusViewOf } from "./operations.ts";
import { applyOutcome, beginStep, type Outcome } from "./outcome.ts";
import { noteOrdered, noteRun, type ToldVersion } from "./ran.ts";
import type { InstanceState } from "./state.ts";
import type { Step } from "./step.ts";
import {
  absent,
  HOUR_MS,
  knownMachine,
  machineIn,
  MINUTE_MS,
  NOW,
  PHASES,
  ranAs,
  record,
  SECOND_MS,
  unknown,
  wanted,
} from "./testing/records.ts";
import { warningsAfter } from "./warning.ts";

const digest = (char: string) => `sha256:${char.repeat(64)}`;
const told: ToldVersion = {
  controller: "1.2.0",
  openclaw: "2026.9.6",
  capabilities: ["env"],
  imageDigest: digest("a"),
  orderedDigest: digest("a"),
};
const question: Extract<Step, { kind: "ask_version" }> = {
  kind: "ask_version",
  id: "m1",
  instanceId: "i1",
  startedAt: NOW,
  generation: 3,
  imageDigest: digest("a"),
};

/** The record after the answer, and what is warned of. */
function answered(
  version: Partial<ToldVersion>,
  fields: Partial<typeof question> = {},
  state: InstanceState = wanted({ ran: null, generation: 3 }),
) {
  const step = { ...question, ...fields };
  const after = applyOutcome(state, step, { kind: "version_told", version: { ...told, ...version } }, NOW);
  if (after === null) throw new Error("the record is gone");
  const { version: view, drift } = statusViewOf(after);
  return { after, view, drift, warnings: warningsAfter(state, after).map(({ what }) => what) };
}

describe("what the controller says that runs", () => {
  it("is stored and told with the image that Fly confirms", () => {
    const { after, view, drift, warnings } = answered({});
    expect(after.ran).toEqual({
      instanceId: "i1",
      startedAt: NOW,
      generation: 3,
      said: { controller: "1.2.0", openclaw: "2026.9.6", capabilities: ["env"] },
      image: { running: digest("a"), reported: digest("a"), ordered: digest("a") },
      at: NOW,
    });
    const at = new Date(NOW).toISOString();
    expect(view).toEqual({ controller: "1.2.0", openclaw: "2026.9.6", imageDigest: digest("a"), at });
    expect([drift, warnings]).toEqual([[], []]);
  });

  it("M10: is not believed where it claims another image than Fly runs, which is told as drift", () => {
    const { after, view, drift, warnings } = answered({ imageDigest: digest("b") });
    expect([after.ran?.said, view]).toEqual([null, null]);
    expect(drift).toEqual([{ kind: "reported_digest", reported: digest("b"), running: digest("a") }]);
    expect(warnings).toEqual(["version_drift"]);
  });

  it("M10: is not believed either where it claims just what was ordered, and Fly runs something else", () => {
    const { view, drift } = answered({}, { imageDigest: digest("b") });
    expect(view).toBeNull();
    expect(drift).toEqual([
      { kind: "image", ordered: digest("a"), running: digest("b") },
      { kind: "reported_digest", reported: digest("a"), running: digest("b") },
    ]);
  });

  it("stands without an image where the machine or Fly does not tell one", () => {
    expect(answered({ imageDigest: null }).view).toMatchObject({ imageDigest: digest("a") });
    const { view, drift } = answered({}, { imageDigest: null });
    expect(view).toMatchObject({ controller: "1.2.0", imageDigest: null });
    expect(drift).toEqual([]);
  });

  it("of a machine that is not the instance's any more changes nothing", () => {
    const state = wanted({ ran: null, machine: { ...knownMachine, id: "m2" } });
    expect(answered({}, {}, state).after).toEqual(state);
  });
});

describe("an image that is not the one that is ordered", () => {
  it("is drift where it is ordered by digest, and nobody knows where it is ordered by tag", () => {
    expect(answered({ orderedDigest: digest("c") }).drift).toEqual([
      { kind: "image", ordered: digest("c"), running: digest("a") },
    ]);
    expect(answered({ orderedDigest: null }).drift).toEqual([]);
    expect(digestOf(`registry.fly.io/app@${digest("c")}`)).toBe(digest("c"));
    expect(digestOf("registry.fly.io/app:tag")).toBeNull();
  });

  it("is found when another one is ordered while the machine runs, and warned of once", () => {
    const state = wanted({
      ran: ranAs({ image: { running: digest("a"), reported: null, ordered: digest("a") } }),
    });
    expect(noteOrdered(state, digest("a"))).toBe(state);
    const after = noteOrdered(state, digest("d"));
    expect(driftOf(after)).toMatchObject([{ kind: "image", ordered: digest("d") }]);
    expect(warningsAfter(state, after)).toMatchObject([{ what: "version_drift" }]);
    expect(warningsAfter(after, noteOrdered(after, digest("d")))).toEqual([]);
  });
});

describe("a question without an answer", () => {
  it("is asked again after pauses that grow to an hour, and stands in nobody's way", () => {
    let state = wanted({ ran: null, status: "running" });
    const pauses: number[] = [];
    for (let question_ = 0; question_ < 12; question_ += 1) {
      const begun = beginStep(state, question, NOW);
      pauses.push((begun.unanswered?.againAt ?? 0) - NOW);
      const outcome: Outcome = { kind: "unanswered", message: "the controller could not be reached" };
      state = applyOutcome(begun, question, outcome, NOW) ?? state;
      expect([state.lastError, state.retryAt, state.status]).toEqual([null, null, "running"]);
    }
    expect(pauses.slice(0, 4)).toEqual([10, 20, 40, 80].map((s) => s * SECOND_MS));
    expect(pauses.at(-1)).toBe(HOUR_MS);
    expect(answered({}, {}, state).after.unanswered).toBeNull();
  });
});

describe("what is known of a run", () => {
  const ran = ranAs();
  const state = record({ ran, unanswered: null });
  const up = (fields: Parameters<typeof machineIn>[1] = {}) => noteRun(state, machineIn("up", fields)).ran;

  it("stays as long as Fly tells the same start of the same configuration, or nothing", () => {
    expect(up()).toBe(ran);
    expect(up({ startedAt: null })).toBe(ran);
    expect(noteRun(state, unknown).ran).toBe(ran);
    expect(noteRun(state, absent).ran).toBe(ran);
  });

  it("is forgotten when the machine came up again, or with another configuration", () => {
    expect(up({ startedAt: NOW - MINUTE_MS })).toBeNull();
    expect(up({ instanceId: "i2" })).toBeNull();
  });

  it("is forgotten when the machine is seen in any state but up", () => {
    for (const phase of PHASES.filter((one) => one !== "up")) {
      expect(noteRun(state, machineIn(phase)).ran).toBeNull();
    }
  });

  it.each([
    ["start_machine", { kind: "start_machine", id: "m1" }],
    [
      "update_machine",
      {
        kind: "update_machine",
        id: "m1",
        generation: 1,
        size: state.machineSize,
        metadata: {},
        mountOptions: {},
        remounts: false,
      },
    ],
    ["give_up_machine", { kind: "give_up_machine", id: "m1" }],
    ["forget_machine", { kind: "forget_machine" }],
  ] as const)("is forgotten with %s", (_kind, step) => {
    expect(applyOutcome(wanted(), step, { kind: "done" }, NOW)?.ran).toBeNull();
  });
});
