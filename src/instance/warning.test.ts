import { describe, expect, it } from "vitest";
import type { Step } from "./step.ts";
import { knownCandidate, openCreate, record, wanted } from "./testing/records.ts";
import { warningOf } from "./warning.ts";

const replacement: Extract<Step, { kind: "create_volume" }> = {
  kind: "create_volume",
  name: "kc_volume",
  region: "ams",
  source: { kind: "empty" },
  isReplacement: true,
};
const onCandidate: Step = { kind: "create_machine", name: "n", region: "fra", volumeId: "vol_2" };

describe("a loss of data", () => {
  it("is told of a volume with data that an empty one takes the place of", () => {
    expect(warningOf(wanted(), replacement)).toEqual({
      what: "data_loss",
      why: expect.stringMatching(/lost the volume vol_1.*empty/),
    });
  });

  it("is told of a volume whose newest snapshot takes its place, with how old that is", () => {
    const source = { kind: "snapshot", snapshotId: "vs_1", createdAt: "2026-11-01T10:00:00Z" } as const;
    expect(warningOf(wanted(), { ...replacement, source })).toEqual({
      what: "data_loss",
      why: expect.stringContaining("vs_1 of 2026-11-01T10:00:00Z"),
    });
  });

  it("is told of a lost volume in whose place another one of the name is taken", () => {
    const adopt: Step = {
      kind: "adopt_volume",
      id: "vol_8",
      region: "ams",
      hasData: true,
      replacesLost: true,
    };
    expect(warningOf(wanted(), adopt)).toEqual({
      what: "data_loss",
      why: expect.stringMatching(/vol_1.*vol_8/),
    });
    expect(warningOf(wanted(), { ...adopt, replacesLost: false })).toBeNull();
  });

  it("is told of a machine that goes on with an older copy, and of where the newer data is", () => {
    const candidate = { ...knownCandidate, isOlderCopy: true };
    expect(warningOf(wanted({ candidate }), onCandidate)).toEqual({
      what: "data_loss",
      why: expect.stringContaining("vol_1"),
    });
  });

  it("is not told where nothing is lost", () => {
    const { volume } = wanted();
    const empty = volume === null ? null : { ...volume, hasData: false };
    expect(warningOf(wanted({ volume: empty }), replacement)).toBeNull();
    expect(warningOf(record(), { ...replacement, isReplacement: false })).toBeNull();
    expect(warningOf(wanted({ candidate: knownCandidate }), onCandidate)).toBeNull();
    expect(warningOf(wanted(), { kind: "start_machine", id: "m1" })).toBeNull();
  });

  it("is told once, however often the create is repeated", () => {
    expect(warningOf(wanted({ creating: openCreate("volume") }), replacement)).toBeNull();
    const candidate = { ...knownCandidate, isOlderCopy: true };
    expect(warningOf(wanted({ candidate, creating: openCreate("machine") }), onCandidate)).toBeNull();
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
  expect(warningOf(record(), recover)).toEqual({
    what: "more_than_one",
    why: expect.stringContaining("m2, vol_3"),
  });
  expect(warningOf(record(), { ...recover, others: [] })).toBeNull();
});
