import { describe, expect, it } from "vitest";
import { decide } from "../decide.ts";
import { machineNameOf } from "../names.ts";
import type { Observation, ObservedGateway, ObservedMachine, ObservedVolume } from "../observation.ts";
import { BRING_UPS_PER_HOUR } from "../patience.ts";
import type { InstanceState } from "../state.ts";
import {
  absent,
  freeVolume,
  HOUR_MS,
  knownMachine,
  longEmpty,
  machineIn,
  MINUTE_MS,
  none,
  NOW,
  openCreate,
  ready,
  saw,
  SECOND_MS,
  snapshot,
  unknown,
  wanted,
  watchedFor,
} from "../testing/records.ts";

type Fields = Partial<InstanceState>;

const decideOn = (
  machine: ObservedMachine,
  volume: ObservedVolume,
  fields: Fields = {},
  others: Partial<Observation> = {},
) => decide(wanted(fields), saw(machine, volume, none, others), NOW);
/** With the machine up. */
const up = (gateway: ObservedGateway, fields: Fields = {}) =>
  decide(wanted(fields), saw(machineIn("up"), none, gateway), NOW);
const silent = { kind: "unknown", why: "silent" } as const;
const starting = { kind: "starting", stage: "gateway" } as const;

describe("a machine that is wanted and not there", () => {
  it("is made where its volume is, under the instance's name", () => {
    expect(decideOn(none, { ...freeVolume, region: "fra" }, { machine: null })).toMatchObject({
      step: { kind: "create_machine", name: "dXNlci0x", region: "fra", volumeId: "vol_1" },
      status: "starting",
    });
  });

  it("is made under a later name where Fly can't free the ones before", () => {
    expect(decideOn(none, freeVolume, { machine: null, machineNames: 2 })).toMatchObject({
      step: { kind: "create_machine", name: machineNameOf("dXNlci0x", 2) },
    });
  });

  it("is recovered where it was up before, and not started by a user", () => {
    expect(decideOn(none, freeVolume, { machine: null, status: "stopped" })).toMatchObject({
      status: "recovering",
    });
  });

  it("is not made while nothing is known of it", () => {
    expect(decideOn(unknown, freeVolume)).toMatchObject({ kind: "wait", failed: true, status: "starting" });
  });
});

describe("a create whose answer was lost", () => {
  const open = (fields: Partial<NonNullable<InstanceState["creating"]>> = {}) => ({
    machine: null,
    creating: openCreate("machine", { name: "dXNlci0x", ...fields }),
  });

  it("is resolved by the machine that bears the name", () => {
    expect(decideOn(machineIn("up"), none, open())).toMatchObject({
      step: { kind: "adopt_machine", id: "m1" },
    });
  });

  it("is not repeated before its machine had time to appear, and then under the same name", () => {
    expect(decideOn(absent, freeVolume, open({ sentAt: NOW - 14_000 }))).toMatchObject({ kind: "wait" });
    expect(decideOn(absent, freeVolume, open({ sentAt: NOW - 15_000 }))).toMatchObject({
      step: { kind: "create_machine", name: "dXNlci0x" },
    });
  });

  it("of another kind is resolved first, since the record holds one open create", () => {
    const creating = openCreate("volume");
    expect(decideOn(none, freeVolume, { machine: null, creating })).toMatchObject({ kind: "wait" });
    expect(
      decideOn(none, freeVolume, { machine: null, creating: { ...creating, empty: longEmpty } }),
    ).toMatchObject({ step: { kind: "create_machine" } });
  });
});

describe("a machine that is up", () => {
  it("is running when its gateway answers ready, and not before", () => {
    expect(up(ready)).toMatchObject({ kind: "settled", status: "running" });
    expect(up(starting)).toMatchObject({ kind: "wait", on: "gateway", status: "starting", problem: null });
    expect(up(silent)).toMatchObject({ kind: "wait", on: "gateway", status: "starting" });
    expect(up(none)).toMatchObject({ kind: "wait", on: "gateway", status: "starting" });
  });

  it("stays running when one answer of a gateway that was ready does not come", () => {
    expect(up(silent, { status: "running" })).toMatchObject({
      kind: "wait",
      on: "time",
      problem: null,
      status: "running",
    });
  });

  it("is told when its gateway is not ready five minutes after both it and the wish were there", () => {
    const fields = { watched: watchedFor(5 * MINUTE_MS), statusSince: NOW - 5 * MINUTE_MS };
    expect(up(starting, fields)).toMatchObject({
      status: "starting",
      problem: { code: "gateway_not_ready" },
    });
    expect(up(starting, { ...fields, statusSince: NOW - MINUTE_MS })).toMatchObject({ problem: null });
    expect(up(starting, { ...fields, watched: watchedFor(MINUTE_MS) })).toMatchObject({ problem: null });
  });

  it("has time when its gateway begins anew, though it has been up for days", () => {
    const fields = { watched: watchedFor(72 * HOUR_MS), statusSince: NOW - 72 * HOUR_MS };
    expect(up(starting, { ...fields, status: "running" })).toMatchObject({
      status: "recovering",
      problem: null,
    });
    expect(up(starting, { ...fields, status: "recovering", statusSince: NOW })).toMatchObject({
      problem: null,
    });
  });

  it("is told when a gateway that was ready is silent for too long", () => {
    const watched = { ...watchedFor(HOUR_MS), silentSince: NOW - 5 * MINUTE_MS };
    expect(up(silent, { status: "running", watched })).toMatchObject({
      status: "recovering",
      problem: { code: "gateway_not_ready" },
    });
  });

  it("is told at once where its degraded gateway failed", () => {
    expect(up({ kind: "degraded", stage: "config" })).toMatchObject({
      kind: "wait",
      problem: { code: "gateway_degraded", message: expect.stringContaining("config") },
    });
  });

  it("is updated where it has another generation, also one that a lost record had given", () => {
    for (const generation of [0, 7]) {
      expect(decideOn(machineIn("up", { generation }), none)).toMatchObject({
        step: { kind: "update_machine", id: "m1", generation: 1, remounts: false },
      });
    }
    expect(decideOn(machineIn("up", { generation: null }), none)).toMatchObject({
      kind: "wait",
      on: "gateway",
    });
  });

  it("is given time to take an update, and asked again when nothing shows", () => {
    const outdated = (ms: number) =>
      decideOn(machineIn("up"), none, { generation: 2, accepted: { kind: "update_machine", at: NOW - ms } });
    expect(outdated(SECOND_MS)).toMatchObject({ kind: "wait", until: NOW + 14 * SECOND_MS });
    expect(outdated(15 * SECOND_MS)).toMatchObject({ step: { kind: "update_machine" } });
  });
});

describe("a machine that comes or goes", () => {
  it.each(["launching", "starting"] as const)("is waited for while it is %s", (phase) => {
    expect(decideOn(machineIn(phase), none)).toMatchObject({
      kind: "wait",
      on: "machine",
      status: "starting",
    });
  });

  it.each(["stopping", "replacing", "destroying"] as const)(
    "is looked at again soon while it is %s, whatever comes of it",
    (phase) => {
      expect(decideOn(machineIn(phase), none)).toMatchObject({
        kind: "wait",
        on: "time",
        until: NOW + SECOND_MS,
      });
    },
  );
});

describe("a machine that is down", () => {
  const down = (fields: Fields = {}, exit: string | null = null, volume: ObservedVolume = freeVolume) =>
    decideOn(machineIn("down", { exit }), volume, fields);

  it("is started for a user who asked", () => {
    expect(down()).toMatchObject({ step: { kind: "start_machine", id: "m1" }, status: "starting" });
    expect(decideOn(machineIn("failed"), freeVolume)).toMatchObject({ step: { kind: "start_machine" } });
  });

  it("takes over a newer configuration before it comes up", () => {
    expect(down({ generation: 2 })).toMatchObject({ step: { kind: "update_machine", generation: 2 } });
  });

  it("is told as stopped, and why, before it is brought back", () => {
    expect(down({ status: "running" }, "exit code 1")).toMatchObject({
      step: { kind: "mark_down", forgetId: false },
      status: "stopped",
      problem: { code: "machine_stopped", message: expect.stringContaining("exit code 1") },
    });
    expect(down({ status: "stopped" })).toMatchObject({
      step: { kind: "start_machine", id: "m1" },
      status: "recovering",
    });
  });

  it("is not started while its volume can't be looked at", () => {
    for (const volume of [unknown, none]) {
      expect(down({}, null, volume)).toMatchObject({ kind: "wait", failed: true });
    }
  });

  it("tells how it ends each time that it is brought up", () => {
    const problem = { code: "machine_stopped", message: expect.stringContaining("exit code 3") };
    expect(down({ bringUps: [NOW - 500] }, "exit code 3")).toMatchObject({ kind: "wait", problem });
    expect(down({ bringUps: [NOW - 5_000] }, "exit code 3")).toMatchObject({ kind: "step", problem });
  });

  it("is brought up after ever longer pauses", () => {
    const pauseAfter = (count: number) => {
      const bringUps = Array.from({ length: count }, () => NOW);
      const decision = down({ bringUps });
      return decision.kind === "wait" ? (decision.until - NOW) / SECOND_MS : 0;
    };
    expect([0, 1, 2, 3, 4, 5].map(pauseAfter)).toEqual([0, 1, 5, 10, 20, 40]);
  });

  it("is given up for the hour after the last of its tries, and stays stopped with the reason", () => {
    const bringUps = Array.from({ length: BRING_UPS_PER_HOUR }, (_, n) => NOW - (40 - n) * MINUTE_MS);
    expect(down({ bringUps }, "exit code 3")).toMatchObject({
      kind: "wait",
      status: "stopped",
      until: NOW + 20 * MINUTE_MS,
      problem: { code: "gave_up", message: expect.stringMatching(/6 times.*exit code 3/) },
    });
    const hourOld = bringUps.map((at) => at - 20 * MINUTE_MS);
    expect(down({ bringUps: hourOld })).toMatchObject({ step: { kind: "start_machine" } });
  });

  it("and made anew each time counts as brought up as well", () => {
    const bringUps = Array.from({ length: BRING_UPS_PER_HOUR }, () => NOW - MINUTE_MS);
    expect(decideOn(none, freeVolume, { machine: null, bringUps })).toMatchObject({
      kind: "wait",
      problem: { code: "gave_up" },
    });
  });
});

describe("a wrong mount", () => {
  const wrong = [
    ["no volume", null],
    ["the wrong path", { volumeId: "vol_1", isRightPath: false, options: {} }],
    ["another volume", { volumeId: "vol_7", isRightPath: true, options: {} }],
  ] as const;

  it.each(wrong)("(%s) is set right by stop, update and start", (_what, mount) => {
    const problem = { code: "mount_wrong" };
    for (const phase of ["launching", "starting", "up"] as const) {
      expect(decideOn(machineIn(phase, { mount }), freeVolume)).toMatchObject({
        step: { kind: "stop_machine" },
        problem,
      });
    }
    for (const phase of ["down", "failed"] as const) {
      expect(decideOn(machineIn(phase, { mount }), freeVolume)).toMatchObject({
        step: { kind: "update_machine", remounts: true },
        problem,
      });
    }
    expect(decideOn(machineIn("down"), freeVolume)).toMatchObject({ step: { kind: "start_machine" } });
  });

  it.each(wrong)("(%s) that an update did not set right is: the machine is made anew", (_what, mount) => {
    const machine = { ...knownMachine, remounted: true };
    expect(decideOn(machineIn("down", { mount }), freeVolume, { machine })).toMatchObject({
      step: { kind: "destroy_machine", id: "m1" },
    });
  });

  it("is not judged while the volume can't be looked at, nor while the machine is between two states", () => {
    expect(decideOn(machineIn("up", { mount: null }), unknown)).toMatchObject({ kind: "wait", failed: true });
    expect(decideOn(machineIn("stopping", { mount: null }), freeVolume)).toMatchObject({ kind: "wait" });
  });
});

describe("a host that is away", () => {
  const away: ObservedMachine = { kind: "unreachable", id: "m1" };
  const volumeAway = { ...freeVolume, isReachable: false };
  const since = (ms: number, fields: Fields = {}) => ({ watched: watchedFor(ms, "unreachable"), ...fields });

  it("is waited for, and told", () => {
    expect(decideOn(away, volumeAway, { status: "running" })).toMatchObject({
      kind: "wait",
      status: "recovering",
      problem: { code: "host_unreachable" },
    });
    expect(decideOn(away, { ...volumeAway, snapshot }, since(9 * MINUTE_MS))).toMatchObject({ kind: "wait" });
  });

  it("is given up after ten minutes where the data can be had elsewhere, and Fly is told of that first", () => {
    for (const volume of [{ ...volumeAway, snapshot }, freeVolume]) {
      expect(decideOn(away, volume, since(10 * MINUTE_MS))).toMatchObject({
        step: { kind: "destroy_machine", id: "m1" },
      });
      const accepted = { kind: "destroy_machine", at: NOW };
      expect(decideOn(away, volume, since(10 * MINUTE_MS, { accepted }))).toMatchObject({
        step: { kind: "give_up_machine", id: "m1" },
        problem: { code: "host_unreachable" },
      });
    }
  });

  it("is waited for as long as it takes where it has the only copy of the data", () => {
    expect(decideOn(away, volumeAway, since(100 * HOUR_MS))).toMatchObject({
      kind: "wait",
      problem: { code: "host_unreachable" },
    });
    // What Fly tells of a volume whose host is away may be old.
    expect(decideOn(away, { ...volumeAway, hasData: false }, since(100 * HOUR_MS))).toMatchObject({
      problem: { code: "host_unreachable" },
    });
    expect(decideOn(away, unknown, since(100 * HOUR_MS))).toMatchObject({ kind: "wait", failed: true });
  });
});
