import { describe, expect, it } from "vitest";
import { decide } from "../decide.ts";
import type { Observation } from "../observation.ts";
import { type InstanceState, LEFTOVERS_MAX } from "../state.ts";
import {
  freeVolume,
  heldBy,
  HOUR_MS,
  knownCandidate,
  knownVolume,
  leftover,
  machineIn,
  MINUTE_MS,
  none,
  noVolume,
  NOW,
  openCreate,
  overCreate,
  ready,
  record,
  saw,
  snapshot,
  wanted,
} from "../testing/records.ts";

type Full = InstanceState["fullRegions"][number];

const full = (region: string, scope: Full["scope"] = "region", inMs = MINUTE_MS): Full => ({
  region,
  scope,
  until: NOW + inMs,
});
const empty = { ...knownVolume, hasData: false };
const onCandidate = { ...freeVolume, id: "vol_2", region: "fra" };

describe("a volume that nothing depends on yet", () => {
  const place = (fields: Partial<InstanceState>) =>
    decide(record({ intent: "running", status: "starting", ...fields }), saw(none, noVolume), NOW);

  it("is made in the first region that is not known to be full", () => {
    const regions = ["ams", "fra", "iad"];
    expect(place({ regions })).toMatchObject({ step: { region: "ams" } });
    expect(place({ regions, fullRegions: [full("ams")] })).toMatchObject({ step: { region: "fra" } });
    expect(place({ regions, fullRegions: [full("ams"), full("fra")] })).toMatchObject({
      step: { region: "iad" },
    });
  });

  it("is made in the first region again when that was full long enough ago", () => {
    expect(place({ fullRegions: [full("ams", "region", 0)] })).toMatchObject({ step: { region: "ams" } });
  });

  it("does not mind a host that was full", () => {
    expect(place({ fullRegions: [full("ams", "host")] })).toMatchObject({ step: { region: "ams" } });
  });

  it("is tried for a person who asks in the region that was full the longest, where all are", () => {
    const fullRegions = [full("ams"), full("fra", "region", 10_000)];
    expect(place({ fullRegions })).toMatchObject({ step: { region: "fra" } });
  });

  it("waits, when all are full, for the first of them, and the user reads when", () => {
    const fullRegions = [full("ams"), full("fra", "region", 10_000)];
    expect(place({ fullRegions, capacityTries: 2 })).toMatchObject({
      kind: "wait",
      until: NOW + 10_000,
      problem: { code: "no_capacity" },
    });
  });
});

describe("a machine for which its volume's host has no room", () => {
  const crowded = (fields: Partial<InstanceState> = {}, others: Partial<Observation> = {}) =>
    decide(
      wanted({ machine: null, capacityTries: 1, fullRegions: [full("ams", "host")], ...fields }),
      saw(none, freeVolume, none, others),
      NOW,
    );

  it("gets a fork of its data elsewhere, and the volume stays", () => {
    expect(crowded()).toMatchObject({
      step: {
        kind: "create_candidate",
        name: "kc_volume",
        region: "fra",
        source: { kind: "fork", volumeId: "vol_1" },
      },
    });
  });

  it("gets an empty volume elsewhere where there is nothing to copy", () => {
    expect(crowded({ volume: empty })).toMatchObject({
      step: { kind: "create_candidate", region: "fra", source: { kind: "empty" } },
    });
  });

  it("gets another host of the same region where the others are full", () => {
    const fullRegions = [full("ams", "host"), full("fra")];
    expect(crowded({ fullRegions })).toMatchObject({ step: { kind: "create_candidate", region: "ams" } });
  });

  it("waits where no region has room", () => {
    const fullRegions = [full("ams", "host"), full("ams"), full("fra")];
    expect(crowded({ fullRegions })).toMatchObject({ kind: "wait", problem: { code: "no_capacity" } });
  });

  it("is tried where it is by a person who asks anew", () => {
    expect(crowded({ capacityTries: 0 })).toMatchObject({
      step: { kind: "create_machine", volumeId: "vol_1" },
    });
  });

  it("gets no copy while a machine of its name may still appear", () => {
    expect(crowded({ creating: openCreate("machine") })).toMatchObject({ kind: "wait", on: "time" });
  });

  it("waits for a copy that may still appear, and takes over one that exists", () => {
    const creating = openCreate("candidate");
    expect(crowded({ creating }, { candidate: noVolume })).toMatchObject({ kind: "wait" });
    expect(crowded({ creating }, { candidate: onCandidate })).toMatchObject({
      step: { kind: "adopt_candidate", id: "vol_2", region: "fra" },
    });
    expect(crowded({ creating: overCreate("candidate") }, { candidate: noVolume })).toMatchObject({
      step: { kind: "clear_create" },
    });
  });

  it("is made on the copy, in the copy's region", () => {
    expect(crowded({ candidate: knownCandidate }, { candidate: onCandidate })).toMatchObject({
      step: { kind: "create_machine", volumeId: "vol_2", region: "fra" },
    });
  });

  it("is told of a copy that is gone, and goes back to its volume", () => {
    expect(crowded({ candidate: knownCandidate }, { candidate: noVolume })).toMatchObject({
      step: { kind: "drop_candidate" },
    });
  });

  it("gets no copy that could leave behind more than the record can hold", () => {
    const leftovers = Array.from({ length: LEFTOVERS_MAX - 1 }, (_, n) => leftover({ id: `vol_x${n}` }));
    expect(crowded({ leftovers })).toMatchObject({ kind: "wait", problem: { code: "no_capacity" } });
    expect(crowded({ leftovers: leftovers.slice(1) })).toMatchObject({ step: { kind: "create_candidate" } });
  });
});

describe("a machine that is down on a host without room", () => {
  const down = (fields: Partial<InstanceState>, others: Partial<Observation> = {}) =>
    decide(
      wanted({ fullRegions: [full("ams", "host")], ...fields }),
      saw(machineIn("down"), freeVolume, none, others),
      NOW,
    );

  it("is tried twice before it moves, since it is quickest where its data is", () => {
    expect(down({ capacityTries: 1 })).toMatchObject({ step: { kind: "start_machine" } });
    expect(down({ capacityTries: 2 })).toMatchObject({
      step: { kind: "create_candidate", source: { kind: "fork", volumeId: "vol_1" } },
    });
  });

  it("goes when its copy is there, so that its name is free for the next one", () => {
    const others = { candidate: onCandidate };
    expect(down({ capacityTries: 2, candidate: knownCandidate }, others)).toMatchObject({
      step: { kind: "destroy_machine", id: "m1" },
    });
  });

  it("does not go before its copy is seen", () => {
    const fresh = { ...knownCandidate, createdAt: NOW, seen: false };
    expect(down({ capacityTries: 2, candidate: fresh }, { candidate: noVolume })).toMatchObject({
      kind: "wait",
    });
  });

  it("stays where it is when it came up after all, and the copy goes", () => {
    const state = wanted({ candidate: knownCandidate });
    const seen = saw(machineIn("up"), none, ready, { candidate: onCandidate });
    expect(decide(state, seen, NOW)).toMatchObject({ step: { kind: "drop_candidate" }, status: "running" });
  });
});

describe("a machine whose volume can't be used where it is", () => {
  it("goes on with the newest snapshot where the volume's host is away", () => {
    const away = { ...freeVolume, isReachable: false, snapshot };
    expect(decide(wanted({ machine: null }), saw(none, away), NOW)).toMatchObject({
      step: { kind: "create_candidate", source: { kind: "snapshot", snapshotId: "vs_1" } },
    });
  });

  it("waits for the host where there is no snapshot of the data", () => {
    const away = { ...freeVolume, isReachable: false };
    expect(decide(wanted({ machine: null }), saw(none, away), NOW)).toMatchObject({
      kind: "wait",
      problem: { code: "host_unreachable" },
    });
  });

  it("goes on with a fork where a machine that can't be destroyed holds the volume", () => {
    expect(decide(wanted({ machine: null }), saw(none, heldBy("given_up")), NOW)).toMatchObject({
      step: { kind: "create_candidate", source: { kind: "fork" } },
    });
  });
});

it("tells of capacity for no longer than it is looked for", () => {
  const fullRegions = [full("ams", "region", HOUR_MS), full("fra", "region", HOUR_MS)];
  const state = record({ intent: "running", capacityTries: 3, fullRegions });
  expect(decide(state, saw(none, noVolume), NOW)).toMatchObject({ until: NOW + 10 * MINUTE_MS });
});
