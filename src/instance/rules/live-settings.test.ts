import { describe, expect, it } from "vitest";
import { APPLY_TRIES_MAX } from "../applied.ts";
import { decide } from "../decide.ts";
import type { ObservedGateway, PresentMachine } from "../observation.ts";
import type { InstanceState } from "../state.ts";
import {
  freeVolume,
  machineIn,
  MINUTE_MS,
  none,
  NOW,
  ranAs,
  ready,
  saw,
  SECOND_MS,
  wanted,
  watchedFor,
} from "../testing/records.ts";

const able = ranAs({ said: { controller: "1.0.0", openclaw: "2026.9.6", capabilities: ["env"] } });
const silent = { kind: "unknown", why: "silent" } as const;
const starting = { kind: "starting", stage: "gateway" } as const;
const degraded = { kind: "degraded", stage: "config_file" } as const;

/** Of an instance whose machine runs with generation 1, and whose settings, and nothing else, were changed to generation 3 since. */
const changed = (fields: Partial<InstanceState> = {}) =>
  wanted({
    status: "running",
    inventoryAt: null,
    generation: 3,
    settingsOnlySince: 1,
    ran: able,
    ...fields,
  });
const decideOn = (
  fields: Partial<InstanceState> = {},
  gateway: ObservedGateway = ready,
  machine: Partial<PresentMachine> = {},
) => decide(changed(fields), saw(machineIn("up", machine), none, gateway), NOW);

const update = { kind: "step", step: { kind: "update_machine", generation: 3 }, status: "starting" };
const apply = {
  kind: "step",
  step: { kind: "apply_settings", id: "m1", instanceId: "i1", generation: 3 },
  status: "running",
  problem: null,
};

describe("a machine that runs, of which only the settings are older", () => {
  it("is given them by its controller, and its users are cut off by nothing", () => {
    expect(decideOn()).toMatchObject(apply);
  });

  it("is updated where anything else is new, or it has another's configuration", () => {
    expect(decideOn({ settingsOnlySince: 2 })).toMatchObject(update);
    expect(decideOn({}, ready, { generation: 4 })).toMatchObject(update);
  });

  it("is updated where its controller can't do it, or is not believed", () => {
    expect(decideOn({ ran: ranAs() })).toMatchObject(update);
    expect(decideOn({ ran: ranAs({ said: null }) })).toMatchObject(update);
  });

  it("is updated where it was tried often enough, for this generation and no other", () => {
    const tried = (generation: number, tries: number) => decideOn({ applying: { generation, tries } });
    expect(tried(3, APPLY_TRIES_MAX - 1)).toMatchObject(apply);
    expect(tried(3, APPLY_TRIES_MAX)).toMatchObject(update);
    expect(tried(2, APPLY_TRIES_MAX)).toMatchObject(apply);
  });

  it("is updated where its gateway is not up, since the settings may be why", () => {
    expect(decideOn({}, starting)).toMatchObject(update);
    expect(decideOn({}, degraded)).toMatchObject(update);
    expect(decideOn({ status: "starting" }, starting)).toMatchObject(update);
  });

  it("is left alone while its controller is silent, until that lasts", () => {
    expect(decideOn({}, silent)).toMatchObject({ kind: "wait", status: "running", problem: null });
    const watched = { ...watchedFor(5 * MINUTE_MS), silentSince: NOW - 5 * MINUTE_MS };
    expect(decideOn({ watched }, silent)).toMatchObject(update);
  });

  it("is asked what its controller can be asked for, twice at most, before it is updated", () => {
    const asked = (unanswered: InstanceState["unanswered"]) => decideOn({ ran: null, unanswered });
    expect(asked(null)).toMatchObject({ step: { kind: "ask_version" }, status: "running" });
    const againAt = NOW + 10 * SECOND_MS;
    expect(asked({ questions: 1, againAt })).toMatchObject({
      kind: "wait",
      until: againAt,
      status: "running",
    });
    expect(asked({ questions: 1, againAt: NOW })).toMatchObject({ step: { kind: "ask_version" } });
    expect(asked({ questions: 2, againAt: NOW })).toMatchObject(update);
  });

  it("is not given anything while Fly still shows it as it was before an update", () => {
    const accepted = { kind: "update_machine", at: NOW - SECOND_MS };
    expect(decideOn({ accepted })).toMatchObject({ kind: "wait" });
  });

  it("goes on as it is where nobody knows the settings", () => {
    expect(decideOn({ settingsLost: true })).toMatchObject({ kind: "settled", status: "running" });
  });

  it("is updated before it is started again, where it is down", () => {
    const seen = saw(machineIn("down"), freeVolume, none);
    expect(decide(changed({ status: "stopped" }), seen, NOW)).toMatchObject({
      step: { kind: "update_machine" },
    });
  });
});

describe("a machine that was given its settings while it ran", () => {
  const given = (isConfirmed: boolean, generation = 3): Partial<InstanceState> => ({
    applied: { generation, instanceId: "i1", isConfirmed },
  });

  it("is at rest with them, whatever generation Fly has of it", () => {
    expect(decideOn(given(true))).toMatchObject({ kind: "settled", status: "running" });
    expect(decideOn(given(true, 2))).toMatchObject(apply);
  });

  it("is given them once more when it came up again in its place, and is not updated before that", () => {
    expect(decideOn({ ...given(false), ran: null }, starting)).toMatchObject({ kind: "wait", on: "gateway" });
    expect(decideOn({ ...given(false), ran: null })).toMatchObject({ step: { kind: "ask_version" } });
    expect(decideOn(given(false))).toMatchObject(apply);
  });

  it("is updated where it does not take them again", () => {
    const applying = { generation: 3, tries: APPLY_TRIES_MAX };
    expect(decideOn({ ...given(false), applying })).toMatchObject(update);
    expect(decideOn({ ...given(false), ran: ranAs() })).toMatchObject(update);
  });
});

describe("a machine whose record was lost, and which may have been given anything", () => {
  const found = (fields: Partial<InstanceState> = {}, machine = machineIn("up", { generation: 3 })) =>
    decide(
      changed({ applied: { generation: 3, instanceId: "i1", isConfirmed: false }, ...fields }),
      saw(machine, freeVolume, machine.phase === "up" ? ready : none),
      NOW,
    );

  it("is given what its configuration says, where it can be given anything", () => {
    expect(found()).toMatchObject(apply);
    expect(found({ ran: ranAs() })).toMatchObject({ kind: "settled" });
  });

  it("gets a new generation where it does not take that", () => {
    const applying = { generation: 3, tries: APPLY_TRIES_MAX };
    expect(found({ applying })).toMatchObject({ step: { kind: "renew_generation" } });
  });

  it("gets one before it is started, where it is down, unless its settings can't be read", () => {
    const down = machineIn("down", { generation: 3 });
    expect(found({ status: "stopped" }, down)).toMatchObject({ step: { kind: "renew_generation" } });
    expect(found({ status: "stopped", settingsLost: true }, down)).toMatchObject({
      step: { kind: "start_machine" },
    });
  });
});
