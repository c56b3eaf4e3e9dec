import { describe, expect, it } from "vitest";
import { decide } from "../decide.ts";
import type { MachinePhase } from "../observation.ts";
import { type InstanceState, LEFTOVERS_MAX } from "../state.ts";
import {
  absent,
  freeVolume,
  knownCandidate,
  knownMachine,
  leftover,
  machineIn,
  MINUTE_MS,
  noVolume,
  NOW,
  openCreate,
  overCreate,
  saw,
  unwanted,
  wanted,
  watchedFor,
} from "../testing/records.ts";

const unverified = { ...knownMachine, verified: false };
const small = { cpuKind: "shared", cpus: 1, memoryMb: 512 } as const;
const busy: InstanceState["lastError"] = {
  code: "machine_busy",
  message: "The machine is not in a state that allows it (412).",
  at: NOW,
  attempts: 8,
  nextTryAt: null,
};

const both = [
  ["running", wanted],
  ["stopped", unwanted],
] as const;

describe.each(both)("a machine that has our name (to be %s)", (_intent, make) => {
  const found = (fields: Partial<Parameters<typeof machineIn>[1]> = {}, state: Partial<InstanceState> = {}) =>
    decide(make({ machine: unverified, ...state }), saw(machineIn("up", fields)), NOW);

  it("is ours when it has our metadata and our volume, and keeps the size that it has", () => {
    expect(found({ size: small })).toMatchObject({
      step: { kind: "adopt_machine", id: "m1", volumeId: "vol_1", size: small },
    });
  });

  it("is ours on the volume that is about to become ours", () => {
    const mount = { volumeId: "vol_2", isRightPath: true, options: {} };
    expect(found({ mount }, { candidate: knownCandidate })).toMatchObject({
      step: { kind: "adopt_machine", volumeId: "vol_2" },
    });
  });

  it("does not keep the size of an older configuration, since the newer wish has one", () => {
    expect(found({ size: small, generation: 0 })).toMatchObject({ step: { size: null } });
  });

  it("goes when it has our metadata and another volume, or none, and its data stays", () => {
    for (const mount of [{ volumeId: "vol_7", isRightPath: true, options: {} }, null]) {
      expect(found({ mount })).toMatchObject({ step: { kind: "destroy_machine", id: "m1" } });
    }
  });

  it("is stored before it goes, so that it is watched until it is gone", () => {
    const mount = { volumeId: "vol_7", isRightPath: true, options: {} };
    const state = { machine: null, creating: openCreate("machine") };
    expect(found({ mount }, state)).toMatchObject({ step: { kind: "note_machine", id: "m1" } });
    expect(found({}, state)).toMatchObject({ step: { kind: "adopt_machine", id: "m1" } });
  });

  it("is left alone when its metadata is another tenant's, and the user reads why", () => {
    expect(found({ ours: false })).toMatchObject({ kind: "wait", problem: { code: "machine_not_ours" } });
  });
});

describe.each(both)("a machine between two states (to be %s)", (intent, make) => {
  const patience: [MachinePhase, number][] = [
    ["replacing", 10],
    ["stopping", 5],
    ["destroying", 5],
    ...(intent === "running"
      ? ([
          ["launching", 14],
          ["starting", 5],
        ] as [MachinePhase, number][])
      : []),
  ];
  const during = (phase: MachinePhase, ms: number, fields: Partial<InstanceState> = {}) =>
    decide(
      make({ status: "running", statusSince: 0, watched: watchedFor(ms, phase), ...fields }),
      saw(machineIn(phase)),
      NOW,
    );

  it.each(patience)("is waited for while it is %s for less than %i minutes", (phase, minutes) => {
    expect(during(phase, minutes * MINUTE_MS - 1)).toMatchObject({ kind: "wait", problem: null });
    expect(during(phase, minutes * MINUTE_MS)).toMatchObject({
      step: { kind: phase === "destroying" ? "give_up_machine" : "destroy_machine", id: "m1" },
      problem: { code: "machine_wedged" },
    });
  });

  it("is wedged as well when it goes from one to the next for twenty minutes", () => {
    const watched = { ...watchedFor(0, "stopping"), restlessSince: NOW - 20 * MINUTE_MS };
    expect(during("stopping", 0, { watched })).toMatchObject({
      step: { kind: "destroy_machine" },
      problem: { code: "machine_wedged" },
    });
  });

  it("is asked to go once, and again when nothing shows", () => {
    const accepted = { kind: "destroy_machine", at: NOW - 1_000 };
    expect(during("stopping", 5 * MINUTE_MS, { accepted })).toMatchObject({ kind: "wait" });
    expect(during("stopping", 5 * MINUTE_MS, { accepted: { ...accepted, at: 0 } })).toMatchObject({
      step: { kind: "destroy_machine" },
    });
  });

  it("is not given up while there is no room to remember it", () => {
    const leftovers = Array.from({ length: LEFTOVERS_MAX }, (_, n) => leftover({ id: `vol_x${n}` }));
    expect(during("destroying", 5 * MINUTE_MS, { leftovers })).toMatchObject({
      kind: "wait",
      problem: { code: "machine_wedged" },
    });
  });
});

describe("a machine that refuses", () => {
  it("to stop, over and over, is destroyed with its data kept", () => {
    const seen = saw(machineIn("up"));
    expect(decide(unwanted({ lastError: { ...busy, attempts: 7 } }), seen, NOW)).toMatchObject({
      step: { kind: "stop_machine" },
    });
    expect(decide(unwanted({ lastError: busy }), seen, NOW)).toMatchObject({
      step: { kind: "destroy_machine", id: "m1" },
      problem: { code: "machine_wedged" },
    });
  });

  it("its update, over and over, is made anew", () => {
    const seen = saw(machineIn("up"));
    expect(decide(wanted({ generation: 2, lastError: busy }), seen, NOW)).toMatchObject({
      step: { kind: "destroy_machine" },
      problem: { code: "machine_wedged" },
    });
  });
});

describe("a machine that is not there", () => {
  const gone = (fields: Partial<InstanceState>) => decide(wanted(fields), saw(absent, noVolume), NOW);

  it("is told as gone, and its id forgotten, before another is made", () => {
    expect(gone({ status: "running" })).toMatchObject({
      step: { kind: "mark_down", forgetId: true },
      status: "stopped",
      problem: { code: "machine_gone" },
    });
  });

  it("is believed to come when it was made a moment ago", () => {
    expect(gone({ machine: { ...knownMachine, createdAt: NOW - 14_000, seen: false } })).toMatchObject({
      kind: "wait",
      status: "starting",
    });
    expect(gone({ machine: { ...knownMachine, createdAt: NOW - 15_000, seen: false } })).toMatchObject({
      step: { kind: "mark_down" },
    });
    // One that was there and is gone is gone.
    expect(gone({ machine: { ...knownMachine, createdAt: NOW } })).toMatchObject({
      step: { kind: "mark_down" },
    });
  });

  it("but has our name, as Fly says, is a conflict that is counted", () => {
    expect(gone({ machine: unverified })).toMatchObject({
      step: { kind: "mark_down", forgetId: true, code: "name_taken" },
      status: "starting",
    });
  });

  it("and was perhaps never made is waited for, under the intent to stop, until its create is over", () => {
    const open = (creating: InstanceState["creating"]) =>
      decide(unwanted({ machine: null, creating }), saw(absent), NOW);
    expect(open(openCreate("machine"))).toMatchObject({ kind: "wait", on: "time" });
    expect(open(overCreate("machine"))).toMatchObject({ step: { kind: "clear_create" } });
  });
});

describe("a machine whose host is away", () => {
  it("is only waited for under the intent to stop", () => {
    const seen = saw({ kind: "unreachable", id: "m1" });
    expect(
      decide(unwanted({ watched: watchedFor(100 * MINUTE_MS, "unreachable") }), seen, NOW),
    ).toMatchObject({
      kind: "wait",
      problem: { code: "host_unreachable" },
    });
  });
});

it("follows a volume that Fly moved together with its machine", () => {
  const mount = { volumeId: "vol_7", isRightPath: true, options: {} };
  const seen = saw(machineIn("up", { mount }), { ...freeVolume, id: "vol_7" });
  expect(decide(wanted(), seen, NOW)).toMatchObject({
    step: { kind: "adopt_volume", id: "vol_7", replacesLost: false },
  });
});
