import { describe, expect, it } from "vitest";
import { noteSeen } from "./noted.ts";
import type { InstanceState } from "./state.ts";
import {
  absent,
  freeVolume,
  heldBy,
  HOUR_MS,
  knownMachine,
  knownVolume,
  machineIn,
  MINUTE_MS,
  none,
  noVolume,
  NOW,
  openCreate,
  record,
  saw,
  SECOND_MS,
  wanted,
} from "./testing/records.ts";

describe("what was seen", () => {
  it("shows that a fresh resource is visible", () => {
    const machine = { ...knownMachine, seen: false };
    const volume = { ...knownVolume, seen: false };
    const state = record({ machine, volume });
    const blind = noteSeen(state, saw(absent, noVolume), NOW);
    expect([blind.machine?.seen, blind.volume?.seen]).toEqual([false, false]);
    expect(noteSeen(state, saw(machineIn("up")), NOW).machine?.seen).toBe(true);
    expect(noteSeen(state, saw(absent, freeVolume), NOW).volume?.seen).toBe(true);
  });

  it("dates the machine's state and the silence of its controller", () => {
    const silent = { kind: "unknown", why: "silent" } as const;
    const see = (
      state: InstanceState,
      phase: "up" | "down",
      gateway: Parameters<typeof saw>[2],
      at: number,
    ) => noteSeen(state, saw(machineIn(phase), undefined, gateway), at);
    const up = see(record(), "up", { kind: "ready" }, NOW);
    expect(up.watched).toEqual({ flyState: "up", since: NOW, restlessSince: null, silentSince: null });
    const quiet = see(see(up, "up", silent, NOW + 1), "up", silent, NOW + 2);
    expect(quiet.watched).toMatchObject({ flyState: "up", since: NOW, silentSince: NOW + 1 });
    expect(see(quiet, "up", { kind: "ready" }, NOW + 3).watched?.silentSince).toBeNull();
    expect(see(quiet, "down", undefined, NOW + 4).watched?.since).toBe(NOW + 4);
  });

  it("tells of data once a machine of ours mounts the volume, and never takes that back", () => {
    const { volume } = wanted();
    const state = wanted({ volume: volume === null ? null : { ...volume, hasData: false } });
    const mounted = noteSeen(state, saw(machineIn("up")), NOW);
    expect(mounted.volume?.hasData).toBe(true);
    const empty = { ...freeVolume, hasData: false };
    expect(noteSeen(mounted, saw(none, empty), NOW).volume?.hasData).toBe(true);
    const strange = saw(machineIn("up", { ours: false }));
    expect(noteSeen(state, strange, NOW).volume?.hasData).toBe(false);
  });

  it("counts looks that found the volume gone, and forgets them when it is back or in use", () => {
    const askedAt = NOW + MINUTE_MS;
    const once = noteSeen(wanted(), saw(none, noVolume), NOW);
    const twice = noteSeen(once, { ...saw(none, noVolume), askedAt }, askedAt);
    expect(once.volume?.missing).toEqual({ looks: 1, since: NOW, at: NOW });
    expect(twice.volume?.missing).toEqual({ looks: 2, since: NOW, at: askedAt });
    expect(noteSeen(twice, saw(none, freeVolume), NOW).volume?.missing).toBeNull();
    expect(noteSeen(twice, saw(machineIn("up")), NOW).volume?.missing).toBeNull();
    expect(noteSeen(twice, saw(machineIn("down")), NOW).volume?.missing).toEqual(twice.volume?.missing);
  });

  it("takes region, size and a holder that is gone from the volume itself", () => {
    const volume = { ...heldBy("gone", "m5"), region: "fra", sizeGb: 40 };
    expect(noteSeen(wanted(), saw(none, volume), NOW).volume).toMatchObject({
      region: "fra",
      sizeGb: 40,
      goneHolder: "m5",
    });
    const untold = { ...freeVolume, region: "", sizeGb: null };
    expect(noteSeen(wanted(), saw(none, untold), NOW).volume).toMatchObject({ region: "ams", sizeGb: 10 });
  });

  it("dates since when the machine goes from one state to the next, until it rests", () => {
    const see = (state: InstanceState, phase: "starting" | "stopping" | "up", at: number) =>
      noteSeen(state, saw(machineIn(phase)), at);
    const first = see(wanted(), "starting", NOW);
    const second = see(first, "stopping", NOW + MINUTE_MS);
    expect(second.watched).toMatchObject({ since: NOW + MINUTE_MS, restlessSince: NOW });
    expect(see(second, "up", NOW + MINUTE_MS).watched).toMatchObject({ restlessSince: null });
  });

  it("dates since when a host is away", () => {
    const away = { kind: "unreachable", id: "m1" } as const;
    const first = noteSeen(wanted(), saw(away), NOW);
    const second = noteSeen(first, saw(away), NOW + MINUTE_MS);
    expect(second.watched).toEqual({
      flyState: "unreachable",
      since: NOW,
      restlessSince: null,
      silentSince: null,
    });
  });

  it("counts looks in a row that found nothing of an open create, once it must be over", () => {
    const look = (state: InstanceState, askedAt: number) =>
      noteSeen(state, { ...saw(none, noVolume), askedAt }, askedAt);
    const state = record({ creating: openCreate("volume") });
    const early = look(state, NOW + MINUTE_MS);
    expect(early.creating?.empty).toBeNull();
    const late = NOW + 75 * SECOND_MS;
    const twice = look(look(early, late), late + 20 * SECOND_MS);
    expect(twice.creating?.empty).toEqual({ looks: 2, since: late, at: late + 20 * SECOND_MS });
    const found = noteSeen(twice, { ...saw(none, freeVolume), askedAt: late }, late);
    expect(found.creating?.empty).toBeNull();
    // So long apart, each may have met a list that was wrong.
    expect(look(twice, late + HOUR_MS).creating?.empty).toMatchObject({ looks: 1 });
  });

  it("keeps everything of a machine that is not there", () => {
    const machine = { ...knownMachine, seen: false };
    expect(noteSeen(wanted({ machine }), saw(absent), NOW).machine).toEqual(machine);
  });
});
