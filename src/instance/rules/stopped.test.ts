import { describe, expect, it } from "vitest";
import { decide } from "../decide.ts";
import type { Observation, ObservedMachine, ObservedVolume } from "../observation.ts";
import type { InstanceState } from "../state.ts";
import {
  absent,
  freeVolume,
  heldBy,
  knownCandidate,
  knownVolume,
  longEmpty,
  machineIn,
  none,
  noVolume,
  NOW,
  openCreate,
  record,
  saw,
  unknown,
  unwanted,
} from "../testing/records.ts";

const decideOn = (
  machine: ObservedMachine,
  volume: ObservedVolume = none,
  fields: Partial<InstanceState> = {},
  others: Partial<Observation> = {},
) => decide(unwanted(fields), saw(machine, volume, none, others), NOW);

describe("an instance that was provisioned", () => {
  it("gets its volume first, in the first region, so that there is a place for its data", () => {
    expect(decide(record(), saw(none, noVolume), NOW)).toMatchObject({
      step: { kind: "create_volume", name: "kc_volume", region: "ams", source: { kind: "empty" } },
      status: "provisioned",
    });
  });

  it("takes over a volume of its name instead of making another", () => {
    expect(decide(record(), saw(none, freeVolume), NOW)).toMatchObject({
      step: { kind: "adopt_volume", id: "vol_1", hasData: true },
    });
  });

  it("looks at a machine that it does not know and that holds that volume", () => {
    expect(decide(record(), saw(none, heldBy("ours")), NOW)).toMatchObject({
      step: { kind: "note_machine", id: "m9" },
    });
  });

  it("rests without a machine", () => {
    expect(decide(record({ volume: knownVolume }), saw(none, freeVolume), NOW)).toMatchObject({
      kind: "settled",
      status: "provisioned",
    });
  });
});

describe("a machine that is not wanted", () => {
  it.each(["launching", "starting", "up"] as const)("is stopped while it is %s", (phase) => {
    expect(decideOn(machineIn(phase))).toMatchObject({
      step: { kind: "stop_machine", id: "m1" },
      status: "stopping",
    });
  });

  it("is given time to stop, and asked again when nothing shows", () => {
    const accepted = { kind: "stop_machine", at: NOW - 14_000 };
    expect(decideOn(machineIn("up"), none, { accepted })).toMatchObject({ kind: "wait", until: NOW + 1_000 });
    expect(decideOn(machineIn("up"), none, { accepted: { ...accepted, at: NOW - 15_000 } })).toMatchObject({
      step: { kind: "stop_machine" },
    });
  });

  it.each(["stopping", "replacing", "destroying"] as const)("is waited for while it is %s", (phase) => {
    expect(decideOn(machineIn(phase))).toMatchObject({ kind: "wait", on: "machine", status: "stopping" });
  });

  it.each(["down", "failed"] as const)("is left as it is when it is %s", (phase) => {
    expect(decideOn(machineIn(phase))).toMatchObject({ kind: "settled", status: "stopped" });
  });

  it("is left as it is though its configuration is older", () => {
    expect(decideOn(machineIn("down", { generation: 0 }), none, { generation: 2 })).toMatchObject({
      kind: "settled",
    });
  });

  it("is not brought back when it is gone", () => {
    expect(decideOn(absent)).toMatchObject({
      step: { kind: "mark_down", forgetId: true },
      status: "stopped",
    });
    expect(decideOn(none, freeVolume, { machine: null })).toMatchObject({
      kind: "settled",
      status: "stopped",
    });
  });

  it("leads to nothing when nothing is known of it, and the user is told what was so before", () => {
    expect(decideOn(unknown, none, { status: "stopped" })).toMatchObject({
      kind: "wait",
      failed: true,
      status: "stopped",
    });
  });

  it("that an open create made is taken over, and stopped then", () => {
    const fields = { machine: null, creating: openCreate("machine") };
    expect(decideOn(machineIn("up"), none, fields)).toMatchObject({ step: { kind: "adopt_machine" } });
  });

  it("is stopped also where no volume is known, when that was found", () => {
    const fields = { volume: null };
    expect(decideOn(machineIn("up"), freeVolume, fields)).toMatchObject({ step: { kind: "adopt_volume" } });
    expect(decideOn(machineIn("up"), unknown, fields)).toMatchObject({ kind: "wait", failed: true });
  });
});

describe("at rest", () => {
  it("a copy that was under way goes", () => {
    const candidate = { ...freeVolume, id: "vol_2" };
    expect(decideOn(machineIn("down"), none, { candidate: knownCandidate }, { candidate })).toMatchObject({
      step: { kind: "drop_candidate" },
      status: "stopped",
    });
  });

  it("a copy that may still appear is waited for, so that it can go", () => {
    const creating = openCreate("candidate");
    expect(decideOn(machineIn("down"), none, { creating }, { candidate: noVolume })).toMatchObject({
      kind: "wait",
      on: "time",
    });
    const over = { ...creating, empty: longEmpty };
    expect(decideOn(machineIn("down"), none, { creating: over }, { candidate: noVolume })).toMatchObject({
      step: { kind: "clear_create" },
    });
  });
});
