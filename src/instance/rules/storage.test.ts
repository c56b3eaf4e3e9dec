import { describe, expect, it } from "vitest";
import { decide } from "../decide.ts";
import type { ObservedVolume, PresentVolume, Snapshot } from "../observation.ts";
import type { InstanceState } from "../state.ts";
import {
  freeVolume,
  heldBy,
  HOUR_MS,
  knownVolume,
  leftover,
  machineIn,
  MINUTE_MS,
  none,
  noVolume,
  NOW,
  openCreate,
  overCreate,
  saw,
  SECOND_MS,
  snapshot,
  unknown,
  wanted,
} from "../testing/records.ts";

/** Wanted up, without a machine. */
const bare = (volume: ObservedVolume, fields: Partial<InstanceState> = {}) =>
  decide(wanted({ machine: null, ...fields }), saw(none, volume), NOW);
const missing = (ms: number, looks = 3) => ({
  volume: { ...knownVolume, missing: { looks, since: NOW - ms, at: NOW } },
});
const gone = (newest: Snapshot | null, former: PresentVolume | null = null): ObservedVolume => ({
  kind: "absent",
  snapshot: newest,
  former,
});
const busy = { code: "fly_refused", message: "no", at: NOW, attempts: 10, nextTryAt: null } as const;

describe("a volume whose id is not known", () => {
  it("is made where none of its name exists", () => {
    expect(bare(noVolume, { volume: null })).toMatchObject({
      step: { kind: "create_volume", source: { kind: "empty" }, isReplacement: false },
    });
  });

  it("is taken over where one of its name exists", () => {
    expect(bare(freeVolume, { volume: null })).toMatchObject({
      step: { kind: "adopt_volume", id: "vol_1", region: "ams", replacesLost: false },
    });
  });

  it("is taken to have data, unless it was just asked for as an empty one and nothing was on it since", () => {
    const found = (hasData: boolean, creating: InstanceState["creating"], createdAt = NOW) =>
      bare({ ...freeVolume, hasData, createdAt }, { volume: null, creating });
    const asked = openCreate("volume");
    expect(found(false, asked)).toMatchObject({ step: { hasData: false } });
    expect(found(true, asked)).toMatchObject({ step: { hasData: true } });
    expect(found(false, null)).toMatchObject({ step: { hasData: true } });
    expect(found(false, openCreate("volume", { source: "snapshot" }))).toMatchObject({
      step: { hasData: true },
    });
    expect(found(false, asked, NOW - HOUR_MS)).toMatchObject({ step: { hasData: true } });
  });

  it("is not made while it is not known whether one exists", () => {
    expect(bare(unknown, { volume: null })).toMatchObject({ kind: "wait", failed: true });
    expect(bare(none, { volume: null })).toMatchObject({ kind: "wait", failed: true });
  });

  it("is not made again while an open create may have made it", () => {
    expect(bare(noVolume, { volume: null, creating: openCreate("volume") })).toMatchObject({ kind: "wait" });
    expect(bare(noVolume, { volume: null, creating: overCreate("volume") })).toMatchObject({
      step: { kind: "create_volume" },
    });
  });
});

describe("a volume that Fly no longer knows", () => {
  it("is looked for again for a minute, and nothing is made in its place", () => {
    for (const { volume } of [{ volume: knownVolume }, missing(MINUTE_MS - 1), missing(HOUR_MS, 2)]) {
      expect(bare(noVolume, { volume })).toMatchObject({
        kind: "wait",
        problem: { code: "volume_missing", message: expect.stringContaining("vol_1") },
      });
    }
  });

  it("is not missing when it was made a moment ago", () => {
    const volume = { ...knownVolume, createdAt: NOW - SECOND_MS, seen: false };
    expect(bare(noVolume, { volume })).toMatchObject({ kind: "wait", problem: null });
  });

  it("is replaced from its newest snapshot, and else by an empty one", () => {
    expect(bare(gone(snapshot), missing(MINUTE_MS))).toMatchObject({
      step: {
        kind: "create_volume",
        source: { kind: "snapshot", snapshotId: "vs_1", createdAt: snapshot.createdAt },
        isReplacement: true,
      },
    });
    expect(bare(gone(null), missing(MINUTE_MS))).toMatchObject({
      step: { kind: "create_volume", source: { kind: "empty" }, isReplacement: true },
    });
  });

  it("is replaced by an empty one where its snapshot is refused over and over", () => {
    const refused = (attempts: number) =>
      bare(gone(snapshot), { ...missing(HOUR_MS), lastError: { ...busy, attempts } });
    expect(refused(9)).toMatchObject({ step: { source: { kind: "snapshot" } } });
    expect(refused(10)).toMatchObject({ step: { source: { kind: "empty" } } });
  });

  it("is replaced by another of its name where there is one", () => {
    expect(bare({ ...freeVolume, id: "vol_5" }, missing(0))).toMatchObject({
      step: { kind: "adopt_volume", id: "vol_5", replacesLost: true },
    });
  });

  it("is replaced by the one that it was a copy of, while that is kept and nothing is newer", () => {
    const fallback = leftover({ id: "vol_0", whenReady: true, since: NOW - 2 * HOUR_MS });
    const former = { ...freeVolume, id: "vol_0", sizeGb: 40 };
    const fields = { ...missing(HOUR_MS), leftovers: [fallback] };
    const adopted = { step: { kind: "adopt_volume", id: "vol_0", sizeGb: 40, replacesLost: true } };
    expect(bare(gone(null, former), fields)).toMatchObject(adopted);
    expect(bare(gone({ ...snapshot, at: fallback.since - 1 }, former), fields)).toMatchObject(adopted);
    expect(bare(gone(snapshot, former), fields)).toMatchObject({
      step: { kind: "create_volume", source: { kind: "snapshot" } },
    });
  });

  it("is not replaced while the machine that mounted it is there: that goes first", () => {
    const down = saw(machineIn("down"), noVolume);
    expect(decide(wanted(missing(HOUR_MS)), down, NOW)).toMatchObject({ step: { kind: "destroy_machine" } });
    expect(decide(wanted(missing(0)), down, NOW)).toMatchObject({
      kind: "wait",
      problem: { code: "volume_missing" },
    });
  });
});

describe("who holds the volume", () => {
  it("decides whether a machine is made on it", () => {
    const create = { step: { kind: "create_machine", volumeId: "vol_1" } };
    expect(bare(freeVolume)).toMatchObject(create);
    expect(bare(heldBy("gone"))).toMatchObject(create);
    expect(bare(heldBy("ours"))).toMatchObject({ step: { kind: "note_machine", id: "m9" } });
    expect(bare(heldBy("unknown"))).toMatchObject({ kind: "wait", failed: true });
    expect(bare(heldBy("stranger"))).toMatchObject({
      kind: "wait",
      problem: { code: "volume_busy", message: expect.stringContaining("m9") },
    });
  });
});
