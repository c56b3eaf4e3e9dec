import { describe, expect, it } from "vitest";
import { decide } from "../decide.ts";
import type { Inventory, Observation, ObservedMachine, ObservedVolume } from "../observation.ts";
import { type InstanceState, LEFTOVERS_MAX } from "../state.ts";
import {
  absent,
  doomed,
  freeVolume,
  heldBy,
  knownCandidate,
  knownMachine,
  knownVolume,
  leftover,
  longEmpty,
  machineIn,
  MINUTE_MS,
  none,
  noVolume,
  NOW,
  openCreate,
  overCreate,
  PHASES,
  saw,
  SECOND_MS,
  unknown,
} from "../testing/records.ts";

const nothing: Inventory = { kind: "seen", machines: [], volumes: [] };
const stranger = machineIn("up", { ours: false });

function decideOn(
  machine: ObservedMachine,
  volume: ObservedVolume,
  fields: Partial<InstanceState> = {},
  others: Partial<Observation> = {},
  now = NOW,
) {
  return decide(doomed(fields), saw(machine, volume, none, others), now);
}
/** With the machine gone. */
const withoutMachine = (
  volume: ObservedVolume,
  fields: Partial<InstanceState> = {},
  others: Partial<Observation> = {},
) => decideOn(absent, volume, { machine: null, ...fields }, others);
/** With machine and volume gone. */
const bare = (fields: Partial<InstanceState> = {}, others: Partial<Observation> = {}) =>
  withoutMachine(noVolume, { volume: null, ...fields }, { inventory: nothing, ...others });

describe("the machine", () => {
  it.each(PHASES.filter((phase) => phase !== "destroying"))("goes first, though it is %s", (phase) => {
    expect(decideOn(machineIn(phase), none)).toMatchObject({ step: { kind: "destroy_machine", id: "m1" } });
  });

  it("that goes is waited for, and asked to go again when nothing shows", () => {
    expect(decideOn(machineIn("destroying"), none)).toMatchObject({ kind: "wait", on: "machine" });
    const accepted = { kind: "destroy_machine", at: NOW };
    expect(decideOn(machineIn("up"), none, { accepted })).toMatchObject({ kind: "wait", on: "machine" });
    const later = NOW + 15 * SECOND_MS;
    expect(decideOn(machineIn("up"), none, { accepted }, {}, later)).toMatchObject({
      step: { kind: "destroy_machine" },
    });
  });

  it("that nothing is known of is waited for, and nothing else is deleted", () => {
    expect(decideOn(unknown, freeVolume)).toMatchObject({ kind: "wait", failed: true, status: "destroying" });
  });

  it("on a host that is away is asked to go, and again once a minute", () => {
    const away: ObservedMachine = { kind: "unreachable", id: "m1" };
    expect(decideOn(away, none)).toMatchObject({ step: { kind: "destroy_machine" } });
    const accepted = { kind: "destroy_machine", at: NOW };
    expect(decideOn(away, none, { accepted })).toMatchObject({
      kind: "wait",
      until: NOW + MINUTE_MS,
      problem: { code: "host_unreachable" },
    });
    expect(decideOn(away, none, { accepted }, {}, NOW + MINUTE_MS)).toMatchObject({
      step: { kind: "destroy_machine" },
    });
  });

  it("of another tenant is not touched, and stands in no way", () => {
    expect(decideOn(stranger, heldBy("stranger", "m1"))).toMatchObject({
      step: { kind: "delete_volume", id: "vol_1" },
    });
    expect(decideOn(stranger, noVolume, {}, { inventory: nothing })).toMatchObject({
      step: { kind: "erase" },
    });
  });

  it("that an open create made is noted, so that it is looked at until it is gone", () => {
    const fields = { machine: null, pendingDestroyMachineId: null, creating: openCreate("machine") };
    expect(decideOn(machineIn("up"), none, fields)).toMatchObject({
      step: { kind: "note_machine", id: "m1" },
    });
  });

  it("that may still come of a create is waited for", () => {
    const fields = { machine: null, creating: openCreate("machine") };
    expect(withoutMachine(freeVolume, fields)).toMatchObject({ kind: "wait", on: "time" });
    expect(withoutMachine(freeVolume, { ...fields, creating: overCreate("machine") })).toMatchObject({
      step: { kind: "delete_volume" },
    });
  });

  it("that was made a moment ago is not believed to be gone", () => {
    const machine = { ...knownMachine, createdAt: NOW, seen: false };
    expect(decideOn(absent, freeVolume, { machine })).toMatchObject({ kind: "wait" });
  });

  it("that the record does not know, but that holds the volume, is found by it", () => {
    for (const is of ["ours", "given_up"] as const) {
      expect(withoutMachine(heldBy(is))).toMatchObject({ step: { kind: "note_machine", id: "m9" } });
    }
    for (const is of ["gone", "stranger", "unknown"] as const) {
      expect(withoutMachine(heldBy(is))).toMatchObject({ step: { kind: "delete_volume" } });
    }
  });
});

describe("the volume", () => {
  it("goes when the machine is gone, whoever may still be named as its holder", () => {
    expect(withoutMachine(freeVolume)).toMatchObject({ step: { kind: "delete_volume", id: "vol_1" } });
  });

  it("is noted where only its name was known", () => {
    const fields = { volume: null, pendingDestroyVolumeId: null };
    expect(withoutMachine(freeVolume, fields)).toMatchObject({ step: { kind: "adopt_volume", id: "vol_1" } });
  });

  it("that nothing is known of is waited for", () => {
    expect(withoutMachine(unknown)).toMatchObject({ kind: "wait", failed: true });
  });

  it("that may still appear is waited for", () => {
    expect(withoutMachine(noVolume, { volume: null, creating: openCreate("volume") })).toMatchObject({
      kind: "wait",
    });
    const volume = { ...knownVolume, createdAt: NOW, seen: false };
    expect(withoutMachine(noVolume, { volume })).toMatchObject({ kind: "wait" });
  });
});

describe("a copy that was under way", () => {
  it("goes as well", () => {
    expect(bare({ candidate: knownCandidate })).toMatchObject({ step: { kind: "drop_candidate" } });
  });

  it("is found by its name where its create was never answered", () => {
    const fields = { creating: openCreate("candidate") };
    const candidate = { ...freeVolume, id: "vol_2", region: "fra" };
    expect(bare(fields, { candidate })).toMatchObject({ step: { kind: "adopt_candidate", id: "vol_2" } });
    expect(bare(fields, { candidate: noVolume })).toMatchObject({ kind: "wait", on: "time" });
    expect(bare(fields, { candidate: unknown })).toMatchObject({ kind: "wait", failed: true });
    expect(bare({ creating: overCreate("candidate") })).toMatchObject({ step: { kind: "erase" } });
  });
});

describe("leftovers", () => {
  const left = leftover({ retryAt: NOW + 5 * SECOND_MS });

  it("go, also those that were to be kept for longer", () => {
    const kept = leftover({ notBefore: Number.MAX_SAFE_INTEGER, whenReady: true });
    const seen = { leftover: { kind: "present", id: "vol_9" } } as const;
    expect(bare({ leftovers: [kept] }, seen)).toMatchObject({ step: { kind: "delete_leftover" } });
  });

  it("keep the record until all are gone, and the user reads which one is in the way", () => {
    expect(bare({ leftovers: [left] })).toMatchObject({
      kind: "wait",
      until: left.retryAt,
      problem: { message: expect.stringContaining("vol_9") },
    });
  });
});

describe("what else is there", () => {
  it("is looked for, and nothing ends before it was", () => {
    expect(bare({}, { inventory: none })).toMatchObject({ kind: "wait", failed: true });
    expect(bare({}, { inventory: unknown })).toMatchObject({ kind: "wait", failed: true });
  });

  it("goes too, machines before volumes", () => {
    const machines = [machineIn("up", { id: "m8" }), { kind: "unreachable", id: "m7" } as const];
    const inventory: Inventory = { kind: "seen", machines, volumes: [{ ...freeVolume, id: "vol_8" }] };
    expect(bare({}, { inventory })).toMatchObject({
      step: {
        kind: "note_leftovers",
        found: [
          { kind: "machine", id: "m8" },
          { kind: "machine", id: "m7" },
          { kind: "volume", id: "vol_8" },
        ],
      },
    });
  });

  it("goes in as many turns as it takes", () => {
    const volumes = Array.from({ length: 30 }, (_, n) => ({ ...freeVolume, id: `vol_x${n}` }));
    const decision = bare({}, { inventory: { kind: "seen", machines: [], volumes } });
    expect(decision).toMatchObject({ step: { kind: "note_leftovers" } });
    if (decision.kind !== "step" || decision.step.kind !== "note_leftovers") throw new Error("another step");
    expect(decision.step.found).toHaveLength(LEFTOVERS_MAX);
  });

  it("is looked for again and again where a list was believed before", () => {
    expect(bare({ doubtful: true })).toMatchObject({ kind: "wait", on: "time" });
    expect(bare({ doubtful: true, swept: { looks: 1, since: NOW, at: NOW } })).toMatchObject({
      kind: "wait",
    });
    expect(bare({ doubtful: true, swept: longEmpty })).toMatchObject({ step: { kind: "erase" } });
  });
});

it("ends with the record, when everything is confirmed to be gone", () => {
  expect(bare()).toMatchObject({ step: { kind: "erase" }, status: "destroying" });
});

describe("a destroy that lasts", () => {
  const since = { statusSince: NOW - 15 * MINUTE_MS };

  it("is told as stuck, with what is in its way, and goes on all the same", () => {
    expect(decideOn(unknown, none, since)).toMatchObject({
      kind: "wait",
      problem: { code: "destroy_stuck", message: expect.stringContaining("Fly answered 500") },
    });
    expect(decideOn(machineIn("up"), none, since)).toMatchObject({
      step: { kind: "destroy_machine" },
      problem: { code: "destroy_stuck" },
    });
    expect(decideOn(unknown, none, { statusSince: NOW - 14 * MINUTE_MS })).toMatchObject({
      problem: { code: "fly_unreachable" },
    });
  });

  it("is not told as stuck when it ends", () => {
    expect(bare(since)).toMatchObject({ step: { kind: "erase" }, problem: null });
  });
});
