import { describe, expect, it } from "vitest";
import { decide } from "../decide.ts";
import type { Inventory, MachinePhase, PresentMachine, PresentVolume } from "../observation.ts";
import type { InstanceState } from "../state.ts";
import {
  freeVolume,
  longEmpty,
  machineIn,
  none,
  NOW,
  PHASES,
  record,
  recovery,
  saw,
  unknown,
} from "../testing/records.ts";

type Machines = Extract<Inventory, { kind: "seen" }>["machines"];

const lost = record({ intent: "running", status: "starting", recovery: recovery() });

function found(machines: Machines, volumes: PresentVolume[] = [], state: InstanceState = lost) {
  return decide(state, saw(none, none, none, { inventory: { kind: "seen", machines, volumes } }), NOW);
}

/** On a volume of its own, so that the choice is seen. */
const named = (id: string, phase: MachinePhase, fields: Partial<PresentMachine> = {}): PresentMachine =>
  machineIn(phase, { id, mount: { volumeId: `vol_${id}`, isRightPath: true, options: {} }, ...fields });

describe("looking for what was lost", () => {
  it("concludes nothing from a look that failed", () => {
    for (const inventory of [none, unknown]) {
      const seen = saw(none, none, none, { inventory });
      expect(decide(lost, seen, NOW)).toMatchObject({ kind: "wait", failed: true });
    }
  });

  it("does not believe at once that there is nothing", () => {
    expect(found([])).toMatchObject({ kind: "wait", on: "time", failed: false });
    const state = { ...lost, recovery: recovery({ empty: { looks: 2, since: NOW, at: NOW } }) };
    expect(found([], [], state)).toMatchObject({ kind: "wait" });
  });

  it("believes it after long enough, and begins with nothing", () => {
    const state = { ...lost, recovery: recovery({ empty: longEmpty }) };
    expect(found([], [], state)).toMatchObject({
      step: { kind: "recover", machineId: null, volume: null, others: [] },
    });
  });

  it("waits for a machine whose host is away, instead of taking it for none", () => {
    const away = { kind: "unreachable", id: "m1" } as const;
    expect(found([away], [freeVolume])).toMatchObject({
      kind: "wait",
      failed: true,
      problem: { code: "host_unreachable" },
    });
    expect(found([away, machineIn("down")], [freeVolume])).toMatchObject({ step: { machineId: "m1" } });
  });

  it("does not take a machine of another tenant", () => {
    const state = { ...lost, recovery: recovery({ empty: longEmpty }) };
    expect(found([machineIn("up", { ours: false })], [], state)).toMatchObject({
      step: { kind: "recover", machineId: null },
    });
  });
});

describe("of several machines", () => {
  const order = ["up", "starting", "down", "launching"] as const;

  it.each(order.slice(1).map((phase, n) => [order[n] ?? "up", phase] as const))(
    "one that is %s is chosen before one that is %s",
    (better, worse) => {
      const machines = [named("b", worse, { createdAt: "2026-12-01T00:00:00Z" }), named("a", better)];
      for (const listed of [machines, machines.toReversed()]) {
        expect(found(listed)).toMatchObject({ step: { machineId: "a", volume: { id: "vol_a" } } });
      }
    },
  );

  it("the newest is chosen of those that are alike", () => {
    const older = named("a", "up", { createdAt: "2026-11-01T10:00:00Z" });
    const newer = named("b", "up", { createdAt: "2026-11-01T10:00:01Z" });
    for (const listed of [
      [older, newer],
      [newer, older],
    ]) {
      expect(found(listed)).toMatchObject({ step: { machineId: "b" } });
    }
  });

  it("the others are named, as are volumes that it does not mount", () => {
    const volumes = [
      { ...freeVolume, id: "vol_a" },
      { ...freeVolume, id: "vol_x" },
    ];
    expect(found([named("a", "up"), named("b", "down")], volumes)).toMatchObject({
      step: {
        machineId: "a",
        volume: { id: "vol_a" },
        others: [
          { kind: "machine", id: "b" },
          { kind: "volume", id: "vol_x" },
        ],
      },
    });
  });
});

describe("the volume", () => {
  it("is the one that the machine mounts, whether it was seen or not", () => {
    expect(found([named("a", "up")])).toMatchObject({ step: { volume: { id: "vol_a", hasData: true } } });
    expect(found([machineIn("up", { mount: null })])).toMatchObject({ step: { volume: null } });
  });

  it("is, without a machine, one that can be mounted", () => {
    const away = { ...freeVolume, id: "vol_away", isReachable: false };
    expect(found([], [away, freeVolume])).toMatchObject({
      step: { machineId: null, volume: { id: "vol_1", region: "ams", hasData: true } },
    });
    expect(found([], [away])).toMatchObject({ step: { volume: { id: "vol_away" } } });
  });
});

describe("the intent", () => {
  const adopting = { ...lost, recovery: recovery({ adoptsIntent: true, empty: longEmpty }) };
  const running: ReadonlySet<MachinePhase> = new Set(["up", "starting", "launching", "replacing"]);

  it.each(PHASES)("is what the machine does that is %s, when nobody asked for anything", (phase) => {
    const intent = running.has(phase) ? "running" : "stopped";
    expect(found([machineIn(phase)], [], adopting)).toMatchObject({ step: { intent } });
  });

  it("is to be stopped without a machine", () => {
    expect(found([], [freeVolume], adopting)).toMatchObject({ step: { intent: "stopped" } });
    expect(found([], [], adopting)).toMatchObject({ step: { intent: "stopped" } });
  });

  it("is the user's where one asked", () => {
    expect(found([machineIn("down")])).toMatchObject({ step: { intent: null } });
  });
});
