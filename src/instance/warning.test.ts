import { describe, expect, it } from "vitest";
import { beginStep } from "./outcome.ts";
import type { Step } from "./step.ts";
import { knownCandidate, NOW, record, wanted } from "./testing/records.ts";
import { warningsOf } from "./warning.ts";

const replacement: Extract<Step, { kind: "create_volume" }> = {
  kind: "create_volume",
  name: "kc_volume",
  region: "ams",
  sizeGb: 10,
  source: { kind: "empty" },
  isReplacement: true,
};
const onCandidate: Step = { kind: "create_machine", name: "n", region: "fra", volumeId: "vol_2" };

describe("a loss of data", () => {
  it("is told of a volume with data that an empty one takes the place of", () => {
    expect(warningsOf(wanted(), replacement)).toEqual([
      {
        what: "data_loss",
        why: expect.stringMatching(/lost the volume vol_1.*empty/),
      },
    ]);
  });

  it("is told of a volume whose newest snapshot takes its place, with how old that is", () => {
    const source = { kind: "snapshot", snapshotId: "vs_1", createdAt: "2026-11-01T10:00:00Z" } as const;
    expect(warningsOf(wanted(), { ...replacement, source })).toEqual([
      {
        what: "data_loss",
        why: expect.stringContaining("vs_1 of 2026-11-01T10:00:00Z"),
      },
    ]);
  });

  it("is told of a lost volume in whose place another one of the name is taken", () => {
    const adopt: Step = {
      kind: "adopt_volume",
      id: "vol_8",
      region: "ams",
      sizeGb: 10,
      hasData: true,
      replacesLost: true,
    };
    expect(warningsOf(wanted(), adopt)).toEqual([
      {
        what: "data_loss",
        why: expect.stringMatching(/vol_1.*vol_8/),
      },
    ]);
    expect(warningsOf(wanted(), { ...adopt, replacesLost: false })).toEqual([]);
  });

  it("is told of a machine that goes on with an older copy, and of where the newer data is", () => {
    const candidate = { ...knownCandidate, isOlderCopy: true };
    expect(warningsOf(wanted({ candidate }), onCandidate)).toEqual([
      {
        what: "data_loss",
        why: expect.stringContaining("vol_1"),
      },
    ]);
  });

  it("is not told where nothing is lost", () => {
    const { volume } = wanted();
    const empty = volume === null ? null : { ...volume, hasData: false };
    expect(warningsOf(wanted({ volume: empty }), replacement)).toEqual([]);
    expect(warningsOf(record(), { ...replacement, isReplacement: false })).toEqual([]);
    expect(warningsOf(wanted({ candidate: knownCandidate }), onCandidate)).toEqual([]);
    expect(warningsOf(wanted(), { kind: "start_machine", id: "m1" })).toEqual([]);
  });

  it("is told of an instance of which nothing was found again", () => {
    const recover: Step = { kind: "recover", machineId: null, volume: null, intent: null, others: [] };
    expect(warningsOf(record(), recover)).toMatchObject([{ what: "data_loss" }]);
    expect(warningsOf(record(), { ...recover, intent: "destroyed" })).toEqual([]);
    const volume = { id: "vol_1", region: "ams", hasData: true };
    expect(warningsOf(record(), { ...recover, volume })).toEqual([]);
  });

  it("is told once for each volume, however often the step is repeated", () => {
    const begun = beginStep(wanted(), replacement, NOW);
    expect(warningsOf(begun, replacement)).toEqual([]);
    const { volume } = begun;
    const another = { ...begun, volume: volume === null ? null : { ...volume, id: "vol_2" } };
    expect(warningsOf(another, replacement)).toHaveLength(1);
  });
});

it("tells what a recovery found beside what the instance needs", () => {
  const recover: Step = {
    kind: "recover",
    machineId: "m1",
    volume: { id: "vol_1", region: "ams", hasData: true },
    intent: null,
    others: [
      { kind: "machine", id: "m2" },
      { kind: "volume", id: "vol_3" },
    ],
  };
  expect(warningsOf(record(), recover)).toEqual([
    {
      what: "more_than_one",
      why: expect.stringContaining("m2, vol_3"),
    },
  ]);
  expect(warningsOf(record(), { ...recover, others: [] })).toEqual([]);
});
