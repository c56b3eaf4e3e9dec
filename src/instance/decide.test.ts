import { describe, expect, it } from "vitest";
import { decide } from "./decide.ts";
import type { MachinePhase, ObservedGateway, ObservedMachine, ObservedVolume } from "./observation.ts";
import { BRING_UPS_PER_HOUR, START_DEADLINE_MS } from "./patience.ts";
import type { InstanceState, Status } from "./state.ts";
import type { Step } from "./step.ts";
import { freeVolume, knownMachine, knownVolume, machineIn, NOW, record, saw } from "./testing/records.ts";

const PHASES = [
  "launching",
  "starting",
  "up",
  "stopping",
  "replacing",
  "down",
  "failed",
  "destroying",
] as const satisfies MachinePhase[];
const MACHINES: ObservedMachine[] = [
  { kind: "none" },
  { kind: "unknown", code: "fly_unreachable", why: "500" },
  { kind: "absent" },
  ...PHASES.map((phase) => machineIn(phase)),
  ...PHASES.map((phase) => machineIn(phase, { ours: false })),
  machineIn("up", { generation: 0 }),
  machineIn("down", { generation: 0 }),
];
const VOLUMES: ObservedVolume[] = [
  { kind: "none" },
  { kind: "unknown", code: "fly_unreachable", why: "500" },
  { kind: "absent" },
  freeVolume,
  { ...freeVolume, attachedMachineId: "m9" },
];
const GATEWAYS: ObservedGateway[] = [
  { kind: "none" },
  { kind: "unknown", why: "silent" },
  { kind: "starting", stage: "gateway" },
  { kind: "ready" },
  { kind: "degraded", stage: "config" },
];
const STATUSES: Status[] = [
  "provisioned",
  "starting",
  "running",
  "stopping",
  "stopped",
  "recovering",
  "destroying",
];
const RECORDS: InstanceState[] = STATUSES.flatMap((status) =>
  [null, knownMachine].flatMap((machine) =>
    [null, knownVolume].flatMap((volume) =>
      [
        null,
        { kind: "machine", name: "n", believeAbsentAt: NOW + 1 } as const,
        { kind: "volume", name: "n", believeAbsentAt: NOW + 1 } as const,
      ].map((creating) => record({ status, machine, volume, creating })),
    ),
  ),
);

/** Every step that `decide` can ask for under an intent, over all that can be known and seen. */
function stepsUnder(intent: InstanceState["intent"]): { step: Step["kind"]; machine: ObservedMachine }[] {
  return RECORDS.flatMap((state) =>
    MACHINES.flatMap((machine) =>
      VOLUMES.flatMap((volume) =>
        GATEWAYS.flatMap((gateway) => {
          const decision = decide({ ...state, intent }, saw(machine, volume, gateway), NOW);
          return decision.kind === "step" ? [{ step: decision.step.kind, machine }] : [];
        }),
      ),
    ),
  );
}

function kindsUnder(intent: InstanceState["intent"]): Set<Step["kind"]> {
  return new Set(stepsUnder(intent).map(({ step }) => step));
}

describe("over everything that can be known and seen", () => {
  it("creates and starts nothing while destroying", () => {
    expect(kindsUnder("destroyed")).toEqual(
      new Set(["adopt_machine", "destroy_machine", "delete_volume", "erase"]),
    );
  });

  it("starts nothing that is to be stopped", () => {
    expect(
      kindsUnder("stopped").isDisjointFrom(new Set(["create_machine", "start_machine", "update_machine"])),
    ).toBe(true);
  });

  it("deletes nothing that is to be kept", () => {
    const deletions = new Set(["destroy_machine", "delete_volume", "erase"]);
    expect(kindsUnder("stopped").isDisjointFrom(deletions)).toBe(true);
    expect(kindsUnder("running").isDisjointFrom(deletions)).toBe(true);
  });

  it.each(["running", "stopped", "destroyed"] as const)(
    "does nothing to a machine it knows nothing of (%s)",
    (intent) => {
      const acted = stepsUnder(intent).filter(({ machine }) => machine.kind === "unknown");
      expect(acted).toEqual([]);
    },
  );

  it.each(["running", "stopped", "destroyed"] as const)(
    "touches no machine of another tenant (%s)",
    (intent) => {
      const touching = new Set<Step["kind"]>([
        "start_machine",
        "stop_machine",
        "update_machine",
        "destroy_machine",
      ]);
      const acted = stepsUnder(intent).filter(
        ({ machine, step }) => machine.kind === "present" && !machine.ours && touching.has(step),
      );
      expect(acted).toEqual([]);
    },
  );
});

describe("provisioned", () => {
  it("makes the volume first, in the first region", () => {
    const decision = decide(record(), saw({ kind: "none" }, { kind: "absent" }), NOW);
    expect(decision).toMatchObject({
      kind: "step",
      step: { kind: "create_volume", name: "kc_volume", region: "ams" },
    });
  });

  it("rests without a machine", () => {
    const decision = decide(record({ volume: knownVolume }), saw({ kind: "none" }, freeVolume), NOW);
    expect(decision).toMatchObject({ kind: "settled", status: "provisioned" });
  });
});

/** As a machine that has been in its state for so long. */
function watchedFor(ms: number): InstanceState["watched"] {
  return { flyState: "up", since: NOW - ms, silentSince: null };
}

describe("to be running", () => {
  const wanted = (fields: Partial<InstanceState> = {}) =>
    record({ intent: "running", status: "starting", volume: knownVolume, machine: knownMachine, ...fields });

  it("creates the machine where its volume is", () => {
    const decision = decide(
      wanted({ machine: null }),
      saw({ kind: "none" }, { ...freeVolume, region: "fra" }),
      NOW,
    );
    expect(decision).toMatchObject({
      kind: "step",
      step: { kind: "create_machine", name: "dXNlci0x", region: "fra", volumeId: "vol_1" },
    });
  });

  it("does not make a second volume in place of one that is gone", () => {
    const decision = decide(wanted({ machine: null }), saw({ kind: "none" }, { kind: "absent" }), NOW);
    expect(decision).toMatchObject({ kind: "wait", problem: { code: "volume_missing" } });
  });

  it("waits for a volume that another machine still holds", () => {
    const seen = saw({ kind: "none" }, { ...freeVolume, attachedMachineId: "m9" });
    expect(decide(wanted({ machine: null }), seen, NOW)).toMatchObject({ kind: "wait", status: "starting" });
  });

  it("resolves an open create by adopting the machine that bears the name", () => {
    const state = wanted({
      machine: null,
      creating: { kind: "machine", name: "dXNlci0x", believeAbsentAt: NOW + 1 },
    });
    expect(decide(state, saw(machineIn("up")), NOW)).toMatchObject({
      step: { kind: "adopt_machine", id: "m1" },
    });
  });

  it("does not repeat an open create before its machine had time to appear", () => {
    const state = wanted({
      machine: null,
      creating: { kind: "machine", name: "dXNlci0x", believeAbsentAt: NOW + 10_000 },
    });
    expect(decide(state, saw({ kind: "absent" }, freeVolume), NOW)).toMatchObject({ kind: "wait" });
    const later = NOW + 10_000;
    expect(decide(state, saw({ kind: "absent" }, freeVolume), later)).toMatchObject({
      step: { kind: "clear_create" },
    });
  });

  it("does not believe that a machine it made a moment ago is gone", () => {
    const state = wanted({ machine: { id: "m1", createdAt: NOW - 2_000, seen: false } });
    expect(decide(state, saw({ kind: "absent" }), NOW)).toMatchObject({ kind: "wait", status: "starting" });
  });

  it("is running when the gateway answers ready, and not before", () => {
    const up = machineIn("up");
    expect(decide(wanted(), saw(up, undefined, { kind: "ready" }), NOW)).toMatchObject({
      kind: "settled",
      status: "running",
    });
    expect(decide(wanted(), saw(up, undefined, { kind: "starting", stage: "gateway" }), NOW)).toMatchObject({
      kind: "wait",
      on: "gateway",
      status: "starting",
      problem: null,
    });
    expect(decide(wanted(), saw(up, undefined, { kind: "unknown", why: "silent" }), NOW)).toMatchObject({
      kind: "wait",
      status: "starting",
    });
  });

  it("stays running when one answer of a gateway that was ready does not come", () => {
    const seen = saw(machineIn("up"), undefined, { kind: "unknown", why: "silent" });
    expect(decide(wanted({ status: "running" }), seen, NOW)).toMatchObject({
      kind: "wait",
      on: "time",
      problem: null,
      status: "running",
    });
  });

  it("tells why a gateway does not get ready, past the deadline", () => {
    const seen = saw(machineIn("up"), undefined, { kind: "starting", stage: "gateway" });
    const watched = watchedFor(START_DEADLINE_MS);
    const since = NOW - START_DEADLINE_MS;
    expect(decide(wanted({ watched, statusSince: since }), seen, NOW)).toMatchObject({
      kind: "wait",
      status: "starting",
      problem: { code: "gateway_not_ready" },
    });
    // The machine may have been up for days when its gateway begins anew.
    for (const status of ["running", "recovering"] as const) {
      const begun = wanted({ watched, status, statusSince: status === "running" ? since : NOW });
      expect(decide(begun, seen, NOW)).toMatchObject({ kind: "wait", status: "recovering", problem: null });
    }
  });

  it("tells of a gateway that was ready and is silent for too long", () => {
    const seen = saw(machineIn("up"), undefined, { kind: "unknown", why: "silent" });
    const watched = { flyState: "up", since: 0, silentSince: NOW - START_DEADLINE_MS };
    const decision = decide(wanted({ status: "running", watched }), seen, NOW);
    expect(decision).toMatchObject({ status: "recovering", problem: { code: "gateway_not_ready" } });
  });

  it.each(["launching", "starting", "replacing", "stopping", "destroying"] as const)(
    "tells of a machine that Fly keeps %s, measured from when it was seen so",
    (phase) => {
      const state = (ms: number) => wanted({ status: "running", statusSince: 0, watched: watchedFor(ms) });
      expect(decide(state(1_000), saw(machineIn(phase)), NOW)).toMatchObject({ kind: "wait", problem: null });
      expect(decide(state(START_DEADLINE_MS), saw(machineIn(phase)), NOW)).toMatchObject({
        status: "recovering",
        problem: { code: "machine_wedged" },
      });
    },
  );

  it.each(["stopping", "replacing"] as const)(
    "looks again soon at a machine that is %s, whatever comes of it",
    (phase) => {
      expect(decide(wanted(), saw(machineIn(phase)), NOW)).toMatchObject({
        kind: "wait",
        on: "time",
        until: NOW + 1_000,
      });
    },
  );

  it("gives a step that Fly accepted time to show before it is repeated", () => {
    const accepted = { kind: "update_machine", at: NOW - 1_000 };
    const state = wanted({ generation: 2, accepted });
    expect(decide(state, saw(machineIn("up")), NOW)).toMatchObject({ kind: "wait", until: NOW + 14_000 });
    expect(decide(state, saw(machineIn("up")), NOW + 14_000)).toMatchObject({
      step: { kind: "update_machine" },
    });
  });

  it("tells at once where a degraded gateway failed", () => {
    const seen = saw(machineIn("up"), undefined, { kind: "degraded", stage: "config" });
    expect(decide(wanted(), seen, NOW)).toMatchObject({
      kind: "wait",
      problem: { code: "gateway_degraded" },
    });
  });

  it("updates a machine of another generation, also of one that a lost record had given", () => {
    expect(decide(wanted(), saw(machineIn("up", { generation: 7 })), NOW)).toMatchObject({
      step: { kind: "update_machine", generation: 1 },
    });
  });

  it("updates a machine of an older generation, up or down", () => {
    const state = wanted({ generation: 2 });
    const step = { kind: "update_machine", id: "m1", generation: 2 };
    expect(decide(state, saw(machineIn("up")), NOW)).toMatchObject({ step });
    expect(decide(state, saw(machineIn("down")), NOW)).toMatchObject({ step });
  });

  it("says that a machine died before it is brought back", () => {
    const seen = saw(machineIn("down", { exit: "exit code 1" }));
    const died = decide(wanted({ status: "running" }), seen, NOW);
    expect(died).toMatchObject({
      step: { kind: "mark_down", forgetId: false },
      status: "stopped",
      problem: { code: "machine_stopped", message: expect.stringContaining("exit code 1") },
    });
    const back = decide(wanted({ status: "stopped" }), seen, NOW);
    expect(back).toMatchObject({ step: { kind: "start_machine", id: "m1" }, status: "recovering" });
  });

  it("forgets the id of a machine that is gone, and makes it anew on its volume", () => {
    const gone = decide(wanted({ status: "running" }), saw({ kind: "absent" }), NOW);
    expect(gone).toMatchObject({ step: { kind: "mark_down", forgetId: true }, status: "stopped" });
    const back = decide(wanted({ status: "stopped", machine: null }), saw({ kind: "none" }, freeVolume), NOW);
    expect(back).toMatchObject({ step: { kind: "create_machine", volumeId: "vol_1" }, status: "recovering" });
  });

  it("tells how a machine ends that goes down each time it is brought up", () => {
    const seen = saw(machineIn("down", { exit: "exit code 3" }));
    const problem = { code: "machine_stopped", message: expect.stringContaining("exit code 3") };
    expect(decide(wanted({ bringUps: [NOW - 500] }), seen, NOW)).toMatchObject({ kind: "wait", problem });
    expect(decide(wanted({ bringUps: [NOW - 5_000] }), seen, NOW)).toMatchObject({ kind: "step", problem });
  });

  it("pauses longer after every bring-up, and gives up for the hour after the last one", () => {
    const down = saw(machineIn("down"));
    const tries = (count: number): number[] =>
      Array.from({ length: count }, (_, index) => NOW - (count - index) * 500);
    expect(decide(wanted({ bringUps: tries(1) }), down, NOW)).toMatchObject({
      kind: "wait",
      until: NOW + 500,
    });
    expect(decide(wanted({ bringUps: tries(3) }), down, NOW)).toMatchObject({
      kind: "wait",
      until: NOW + 9_500,
    });
    expect(decide(wanted({ bringUps: tries(BRING_UPS_PER_HOUR) }), down, NOW)).toMatchObject({
      kind: "wait",
      status: "stopped",
      problem: { code: "gave_up" },
      until: NOW - BRING_UPS_PER_HOUR * 500 + 3_600_000,
    });
  });
});

describe("to be stopped", () => {
  const unwanted = record({
    intent: "stopped",
    status: "stopping",
    volume: knownVolume,
    machine: knownMachine,
    lastStartedAt: NOW,
  });

  it.each(["launching", "starting", "up"] as const)("stops a machine that is %s", (phase) => {
    expect(decide(unwanted, saw(machineIn(phase)), NOW)).toMatchObject({
      step: { kind: "stop_machine" },
      status: "stopping",
    });
  });

  it.each(["down", "failed"] as const)("rests with a machine that is %s", (phase) => {
    expect(decide(unwanted, saw(machineIn(phase)), NOW)).toMatchObject({
      kind: "settled",
      status: "stopped",
    });
  });

  it("does not bring back a machine that is gone", () => {
    expect(decide(unwanted, saw({ kind: "absent" }), NOW)).toMatchObject({
      step: { kind: "mark_down", forgetId: true },
    });
    const after = decide({ ...unwanted, machine: null }, saw({ kind: "none" }, freeVolume), NOW);
    expect(after).toMatchObject({ kind: "settled", status: "stopped" });
  });
});

describe("to be destroyed", () => {
  const doomed = record({
    intent: "destroyed",
    status: "destroying",
    machine: knownMachine,
    volume: knownVolume,
  });

  it("deletes the machine, then the volume, then the record", () => {
    expect(decide(doomed, saw(machineIn("up")), NOW)).toMatchObject({
      step: { kind: "destroy_machine", id: "m1" },
    });
    expect(decide(doomed, saw(machineIn("destroying")), NOW)).toMatchObject({ kind: "wait", on: "machine" });
    expect(decide(doomed, saw({ kind: "absent" }, freeVolume), NOW)).toMatchObject({
      step: { kind: "delete_volume" },
    });
    expect(decide(doomed, saw({ kind: "absent" }, { kind: "absent" }), NOW)).toMatchObject({
      step: { kind: "erase" },
    });
  });

  it("finds a machine that it lost by the volume that the machine holds", () => {
    const lost = { ...doomed, machine: null };
    const held = { ...freeVolume, attachedMachineId: "m7" };
    expect(decide(lost, saw({ kind: "none" }, held), NOW)).toMatchObject({
      step: { kind: "adopt_machine", id: "m7" },
    });
    expect(decide(doomed, saw({ kind: "absent" }, held), NOW)).toMatchObject({
      step: { kind: "delete_volume" },
    });
  });

  it("leaves a machine of another tenant alone, and goes on with what is its own", () => {
    const strange = machineIn("up", { ours: false });
    const held = { ...freeVolume, attachedMachineId: "m1" };
    expect(decide(doomed, saw(strange, held), NOW)).toMatchObject({
      step: { kind: "delete_volume", id: "vol_1" },
    });
    expect(decide(doomed, saw(strange, { kind: "absent" }), NOW)).toMatchObject({ step: { kind: "erase" } });
  });

  it("takes no holder over that has no id", () => {
    const lost = { ...doomed, machine: null };
    for (const attachedMachineId of ["", "\0".repeat(14)]) {
      const held = { ...freeVolume, attachedMachineId };
      expect(decide(lost, saw({ kind: "none" }, held), NOW)).toMatchObject({
        step: { kind: "delete_volume" },
      });
    }
  });

  it("keeps the record while a create is open", () => {
    const open = {
      ...doomed,
      machine: null,
      creating: { kind: "machine", name: "n", believeAbsentAt: NOW + 1 } as const,
    };
    expect(decide(open, saw({ kind: "absent" }, { kind: "absent" }), NOW)).toMatchObject({ kind: "wait" });
  });
});

it("waits out the pause after a failed step, whatever is seen", () => {
  const decision = decide(record({ intent: "running", retryAt: NOW + 1_000 }), saw({ kind: "none" }), NOW);
  expect(decision).toMatchObject({ kind: "wait", until: NOW + 1_000 });
});
