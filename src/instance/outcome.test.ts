import { describe, expect, it } from "vitest";
import { applyOutcome, beginStep, type Outcome } from "./outcome.ts";
import type { InstanceState } from "./state.ts";
import { withIntent } from "./wishes.ts";
import { DEFAULT_MACHINE_SIZE } from "./sizes.ts";
import type { Step } from "./step.ts";
import { HOUR_MS, knownMachine, knownVolume, NOW, openCreate, record, SECOND_MS } from "./testing/records.ts";

const createMachine: Step = { kind: "create_machine", name: "dXNlci0x", region: "ams", volumeId: "vol_1" };
const createVolume: Step = {
  kind: "create_volume",
  name: "kc_volume",
  region: "ams",
  sizeGb: 10,
  source: { kind: "empty" },
  isReplacement: false,
};
const startMachine: Step = { kind: "start_machine", id: "m1" };
const refused: Outcome = { kind: "failed", code: "fly_busy", message: "busy", retryAfterMs: null };

/** The record after a step that was begun on it. */
function after(state: InstanceState, step: Step, outcome: Outcome, now = NOW): InstanceState {
  const next = applyOutcome(beginStep(state, step, now), step, outcome, now);
  if (next === null) throw new Error("the record is gone");
  return next;
}

describe("the pause after a failed step", () => {
  const pausesOf = (count: number, outcome: Outcome): number[] => {
    let state = record();
    return Array.from({ length: count }, () => {
      state = after(state, startMachine, outcome);
      return ((state.retryAt ?? 0) - NOW) / SECOND_MS;
    });
  };

  it("doubles from a second to a minute, and no further", () => {
    expect(pausesOf(9, refused)).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(pausesOf(2_000, refused).at(-1)).toBe(60);
  });

  it("is as long as Fly asks for, but not longer than a minute", () => {
    expect(pausesOf(1, { ...refused, retryAfterMs: 30 * SECOND_MS })).toEqual([30]);
    expect(pausesOf(1, { ...refused, retryAfterMs: 24 * HOUR_MS })).toEqual([60]);
    expect(pausesOf(4, { ...refused, retryAfterMs: 3 * SECOND_MS })).toEqual([3, 3, 4, 8]);
  });

  it("grows alike for an outcome that nobody knows", () => {
    expect(pausesOf(3, { kind: "outcome_unknown", message: "silence" })).toEqual([1, 2, 4]);
  });

  it("begins anew after a step that succeeded, and for a new wish", () => {
    const failedTwice = after(after(record(), startMachine, refused), startMachine, refused);
    expect(after(failedTwice, startMachine, { kind: "done" })).toMatchObject({ failures: 0, retryAt: null });
    expect(withIntent(failedTwice, "running", NOW)).toMatchObject({
      failures: 0,
      retryAt: null,
      lastError: null,
    });
  });

  it("is told with the error, which keeps the instant at which it was first seen", () => {
    const once = after(record(), startMachine, refused);
    const twice = after(once, startMachine, refused, NOW + 5_000);
    expect(twice.lastError).toEqual({
      code: "fly_busy",
      message: "busy",
      at: NOW,
      attempts: 2,
      nextTryAt: NOW + 5_000 + 2 * SECOND_MS,
    });
    const other = after(twice, startMachine, { ...refused, message: "leased" }, NOW + 9_000);
    expect(other.lastError?.at).toBe(NOW + 9_000);
  });
});

describe("a create", () => {
  it("stands open from before it is sent", () => {
    expect(beginStep(record(), createMachine, NOW)).toMatchObject({
      creating: { kind: "machine", name: "dXNlci0x", sentAt: NOW, earlierAt: null, empty: null },
    });
  });

  it("is closed by its id", () => {
    expect(after(record(), createMachine, { kind: "machine_created", id: "m7" })).toMatchObject({
      machine: { id: "m7", createdAt: NOW, seen: false, verified: true },
      creating: null,
    });
    expect(after(record(), createVolume, { kind: "volume_created", id: "v7", region: "fra" })).toMatchObject({
      volume: { id: "v7", region: "fra", createdAt: NOW, seen: false },
      creating: null,
    });
  });

  it("takes over the machine that has the name already, to look at it next", () => {
    const failedBefore = { ...record(), failures: 3, retryAt: NOW };
    expect(after(failedBefore, createMachine, { kind: "name_taken", machineId: "m9" })).toMatchObject({
      machine: { id: "m9", seen: false, verified: false },
      creating: null,
      retryAt: null,
    });
  });

  it("that Fly refused leaves nothing open", () => {
    expect(after(record(), createMachine, refused)).toMatchObject({ machine: null, creating: null });
  });

  it("whose answer was lost stays open", () => {
    const lost = after(record(), createVolume, { kind: "outcome_unknown", message: "silence" });
    expect(lost).toMatchObject({
      volume: null,
      creating: { kind: "volume", name: "kc_volume", sentAt: NOW },
      lastError: { code: "fly_unreachable" },
    });
  });

  it("that is repeated stays open as of the first one that nobody answered", () => {
    const lost = after(record(), createMachine, { kind: "outcome_unknown", message: "silence" });
    const again = after(lost, createMachine, { kind: "outcome_unknown", message: "silence" }, NOW + 20_000);
    expect(again.creating).toMatchObject({ sentAt: NOW + 20_000, earlierAt: NOW });
    const refusedThen = after(lost, createMachine, refused, NOW + 20_000);
    expect(refusedThen.creating).toMatchObject({ sentAt: NOW, earlierAt: null });
  });

  it("of a volume that is repeated on the word of a list leaves a doubt, until everything is gone", () => {
    const open = openCreate("volume");
    expect(beginStep(record({ creating: open }), createVolume, NOW).doubtful).toBe(true);
    expect(after(record({ creating: open }), { kind: "clear_create" }, { kind: "done" }).doubtful).toBe(true);
    // Names of machines are unique, so a second create finds the first.
    const machine = openCreate("machine");
    expect(beginStep(record({ creating: machine }), createMachine, NOW).doubtful).toBe(false);
  });

  it("without room marks the region as full for a while, and leaves nothing open", () => {
    const full: Outcome = { kind: "no_capacity", message: "no room" };
    const once = after(record(), createVolume, full);
    expect(once).toMatchObject({
      fullRegions: [{ region: "ams", scope: "region", until: NOW + 600 * SECOND_MS }],
      capacityTries: 1,
      creating: null,
      lastError: { code: "no_capacity" },
    });
    const again = after(once, { ...createVolume, region: "fra" }, full, NOW + 1);
    expect(again.fullRegions.map(({ region }) => region)).toEqual(["ams", "fra"]);
    const later = after(again, createVolume, full, NOW + HOUR_MS);
    expect(later.fullRegions).toEqual([{ region: "ams", scope: "region", until: NOW + HOUR_MS + 600_000 }]);
  });

  it("of a machine without room marks only the host of its volume", () => {
    const next = after(record({ volume: knownVolume }), createMachine, {
      kind: "no_capacity",
      message: "full",
    });
    expect(next.fullRegions).toMatchObject([{ region: "ams", scope: "host" }]);
  });
});

describe("an outcome that comes after a newer wish", () => {
  const wishedMeanwhile = (step: Step) =>
    withIntent(beginStep(record({ intent: "running" }), step, NOW), "destroyed", NOW);

  it("leaves the wish, and marks what was made for deletion", () => {
    const machine = applyOutcome(
      wishedMeanwhile(createMachine),
      createMachine,
      { kind: "machine_created", id: "m7" },
      NOW,
    );
    expect(machine).toMatchObject({
      intent: "destroyed",
      status: "destroying",
      pendingDestroyMachineId: "m7",
      creating: null,
    });
    const volume = applyOutcome(
      wishedMeanwhile(createVolume),
      createVolume,
      { kind: "volume_created", id: "v7", region: "ams" },
      NOW,
    );
    expect(volume).toMatchObject({ intent: "destroyed", pendingDestroyVolumeId: "v7" });
  });

  it("does not close the open create of another kind", () => {
    const creating = openCreate("volume");
    const adopt: Step = {
      kind: "adopt_machine",
      id: "m1",
      instanceId: "i1",
      generation: 1,
      volumeId: "vol_1",
      size: null,
    };
    const next = applyOutcome(record({ creating }), adopt, { kind: "done" }, NOW);
    expect(next).toMatchObject({ machine: { id: "m1" }, creating });
  });
});

it("leaves no record after the last deletion", () => {
  expect(applyOutcome(record(), { kind: "erase" }, { kind: "done" }, NOW)).toBeNull();
});

it("forgets the id of a machine that is gone, and keeps that of one that is down", () => {
  const mark = { kind: "mark_down", code: "machine_gone", message: "gone" } as const;
  const state = record({ machine: knownMachine });
  expect(after(state, { ...mark, forgetId: true }, { kind: "done" }).machine).toBeNull();
  expect(after(state, { ...mark, forgetId: false }, { kind: "done" }).machine).toEqual(knownMachine);
});

it("counts the bring-ups of the last hour that Fly accepted, and no others", () => {
  const state = record({ bringUps: [NOW - HOUR_MS - 1, NOW - HOUR_MS + 1] });
  const counted = [NOW - HOUR_MS + 1, NOW];
  expect(after(state, startMachine, { kind: "done" }).bringUps).toEqual(counted);
  expect(after(state, createMachine, { kind: "machine_created", id: "m7" }).bringUps).toEqual(counted);
  const full: Outcome = { kind: "no_capacity", message: "no room" };
  const unknown: Outcome = { kind: "outcome_unknown", message: "silence" };
  for (const outcome of [refused, full, unknown]) {
    expect(after(state, startMachine, outcome).bringUps).toEqual(state.bringUps);
  }
  expect(after(state, { kind: "stop_machine", id: "m1" }, { kind: "done" }).bringUps).toEqual(state.bringUps);
});

it("marks the host as full where a step that needs no region finds no room", () => {
  const full: Outcome = { kind: "no_capacity", message: "no room" };
  const next = after(record({ volume: knownVolume }), startMachine, full);
  expect(next).toMatchObject({ regions: ["ams", "fra"], capacityTries: 1 });
  expect(next.fullRegions).toMatchObject([{ region: "ams", scope: "host" }]);
  expect(after(record(), startMachine, full).fullRegions).toEqual([]);
});

it("does not wait for an update to what has been overtaken meanwhile", () => {
  const update: Step = {
    kind: "update_machine",
    id: "m1",
    generation: 1,
    size: DEFAULT_MACHINE_SIZE,
    metadata: {},
    mountOptions: {},
    remounts: false,
  };
  expect(after(record({ generation: 1 }), update, { kind: "done" }).accepted).toEqual({
    kind: "update_machine",
    at: NOW,
  });
  expect(after(record({ generation: 2 }), update, { kind: "done" }).accepted).toBeNull();
});

it("remembers the step that Fly accepted last, until there is another machine", () => {
  const stopped = after(
    record({ machine: knownMachine }),
    { kind: "stop_machine", id: "m1" },
    { kind: "done" },
  );
  expect(stopped.accepted).toEqual({ kind: "stop_machine", at: NOW });
  expect(after(stopped, createMachine, { kind: "machine_created", id: "m7" }).accepted).toBeNull();
});
