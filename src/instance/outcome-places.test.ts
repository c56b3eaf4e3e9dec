import { describe, expect, it } from "vitest";
import { appNameOf } from "./names.ts";
import { applyOutcome, beginStep, type Outcome } from "./outcome.ts";
import { NO_SETTINGS } from "./settings.ts";
import { type InstanceState, LEFTOVERS_MAX } from "./state.ts";
import { withIntent } from "./wishes.ts";
import type { Step } from "./step.ts";
import {
  HOUR_MS,
  knownCandidate,
  leftover,
  NOW,
  openCreate,
  ownAppAt,
  record,
  recovery,
  SECOND_MS,
  wanted,
} from "./testing/records.ts";

const done: Outcome = { kind: "done" };

/** The record after a step that was begun on it. */
function after(state: InstanceState, step: Step, outcome: Outcome = done, now = NOW): InstanceState {
  const next = applyOutcome(beginStep(state, step, now), step, outcome, now);
  if (next === null) throw new Error("the record is gone");
  return next;
}

const onCandidate: Step = { kind: "create_machine", name: "n", region: "fra", volumeId: "vol_2" };
const made: Outcome = { kind: "machine_created", id: "m7" };

describe("a copy that a machine is made on", () => {
  const moving = (fields: Partial<InstanceState> = {}) =>
    wanted({ machine: null, candidate: knownCandidate, ...fields });

  it("becomes the volume, and the one before is kept until the machine is ready", () => {
    expect(after(moving(), onCandidate, made)).toMatchObject({
      machine: { id: "m7", verified: true },
      candidate: null,
      volume: { id: "vol_2", region: "fra", hasData: true },
      leftovers: [{ kind: "volume", id: "vol_1", whenReady: true, notBefore: NOW }],
    });
  });

  it("of a snapshot leaves the one before for seven days, which may have newer data", () => {
    const candidate = { ...knownCandidate, isOlderCopy: true };
    const [kept] = after(moving({ candidate }), onCandidate, made).leftovers;
    expect(kept).toMatchObject({ id: "vol_1", notBefore: NOW + 7 * 24 * HOUR_MS });
  });

  it("becomes the volume also where the machine is found that a lost answer made", () => {
    const adopt: Step = {
      kind: "adopt_machine",
      id: "m7",
      instanceId: "i7",
      generation: 1,
      volumeId: "vol_2",
      size: null,
    };
    expect(after(moving({ creating: openCreate("machine") }), adopt)).toMatchObject({
      machine: { id: "m7", verified: true },
      volume: { id: "vol_2" },
      candidate: null,
      creating: null,
    });
  });

  it("is of no use where there is no room for a machine on it, and its region goes last", () => {
    expect(after(moving(), onCandidate, { kind: "no_capacity", message: "full" })).toMatchObject({
      candidate: null,
      volume: { id: "vol_1" },
      leftovers: [{ kind: "volume", id: "vol_2", whenReady: false }],
      fullRegions: [{ region: "fra", scope: "region" }],
    });
  });

  it("that is not needed any more is left to be deleted, but not before it must be visible", () => {
    const dropped = after(moving({ candidate: { ...knownCandidate, seen: false } }), {
      kind: "drop_candidate",
    });
    expect(dropped).toMatchObject({ candidate: null, leftovers: [{ id: "vol_2", retryAt: NOW }] });
    expect(dropped.leftovers[0]?.visibleFrom).toBe(knownCandidate.createdAt + 15 * SECOND_MS);
  });

  it("is known as an older copy by what its create began with, also when the answer was lost", () => {
    const source = { kind: "snapshot", snapshotId: "vs_1", createdAt: "2026-11-01" } as const;
    const create: Step = { kind: "create_candidate", name: "kc_volume", region: "fra", sizeGb: 10, source };
    const created: Outcome = { kind: "volume_created", id: "vol_2", region: "fra" };
    expect(after(wanted(), create, created).candidate).toMatchObject({ id: "vol_2", isOlderCopy: true });
    const lost = after(wanted(), create, { kind: "outcome_unknown", message: "silence" });
    const found: Step = { kind: "adopt_candidate", id: "vol_2", region: "fra", sizeGb: 10 };
    expect(after(lost, found)).toMatchObject({ candidate: { isOlderCopy: true }, creating: null });
  });
});

describe("leftovers", () => {
  const step: Step = { kind: "delete_leftover", left: { kind: "volume", id: "vol_9" } };
  const state = record({ leftovers: [leftover()], failures: 3 });

  it.each([
    ["done", done],
    ["refused", { kind: "failed", code: "volume_busy", message: "bound", retryAfterMs: null }],
    ["not answered", { kind: "outcome_unknown", message: "silence" }],
  ] as const)(
    "are looked at again after a deletion that was %s, and stand in nobody's way",
    (_what, outcome) => {
      const next = after(state, step, outcome);
      expect(next.leftovers).toMatchObject([{ tries: 1, retryAt: NOW + 5 * SECOND_MS }]);
      expect([next.lastError, next.retryAt]).toEqual([null, null]);
    },
  );

  it("are asked for after pauses that double from five seconds to ten minutes", () => {
    let current = state;
    const pauses = Array.from({ length: 9 }, () => {
      current = after(current, step);
      return ((current.leftovers[0]?.retryAt ?? 0) - NOW) / SECOND_MS;
    });
    expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 320, 600, 600]);
  });

  it("are forgotten when they are gone, and noted once", () => {
    expect(
      after(state, { kind: "forget_leftover", left: { kind: "volume", id: "vol_9" } }).leftovers,
    ).toEqual([]);
    const found = [{ kind: "volume", id: "vol_9" } as const, { kind: "machine", id: "m9" } as const];
    const noted = after(state, { kind: "note_leftovers", found });
    expect(noted.leftovers.map(({ id }) => id)).toEqual(["vol_9", "m9"]);
  });

  it("are never more than the record can hold", () => {
    const found = Array.from({ length: 30 }, (_, n) => ({ kind: "volume", id: `vol_x${n}` }) as const);
    expect(after(record(), { kind: "note_leftovers", found }).leftovers).toHaveLength(LEFTOVERS_MAX);
  });
});

describe("the machine's name", () => {
  const create: Step = { kind: "create_machine", name: "dXNlci0x", region: "ams", volumeId: "vol_1" };

  it("is another after a machine that can't be destroyed, which is left to be deleted", () => {
    expect(after(wanted(), { kind: "give_up_machine", id: "m1" })).toMatchObject({
      machine: null,
      machineNames: 1,
      leftovers: [{ kind: "machine", id: "m1", whenReady: false }],
    });
  });

  it("is another where one that was given up still has it", () => {
    const state = wanted({ machine: null, leftovers: [leftover({ kind: "machine", id: "m1" })] });
    expect(after(state, create, { kind: "name_taken", machineId: "m1" })).toMatchObject({
      machine: null,
      machineNames: 1,
    });
  });

  it("is another after the fourth conflict with one that nobody can see, with growing pauses until then", () => {
    let state = wanted({ machine: null });
    const tries = Array.from({ length: 4 }, () => {
      const noted = after(state, create, { kind: "name_taken", machineId: "m9" });
      expect(noted.machine).toMatchObject({ id: "m9", verified: false });
      const gone: Step = { kind: "mark_down", forgetId: true, code: "name_taken", message: "" };
      state = after(noted, gone);
      expect(state.machine).toBeNull();
      return [state.machineNames, ((state.retryAt ?? 0) - NOW) / SECOND_MS];
    });
    expect(tries).toEqual([
      [0, 1],
      [0, 2],
      [0, 4],
      [1, 8],
    ]);
  });
});

describe("what was found again of a lost record", () => {
  const recover: Step = {
    kind: "recover",
    machineId: "m1",
    volume: { id: "vol_1", region: "fra", hasData: true },
    intent: "running",
    others: [{ kind: "machine", id: "m2" }],
  };
  const size = { cpuKind: "shared", cpus: 1, memoryMb: 512 } as const;
  const had = { ...NO_SETTINGS, envVars: { A: "1", B: "2" }, kilocodeApiKey: "key" };
  const found: Outcome = { kind: "recovered", settings: had, keyVersion: 3, size, generation: 4 };
  const lost = (fields: Partial<InstanceState> = {}) =>
    record({ recovery: recovery({ adoptsIntent: true }), ...fields });

  it("takes the place of what was not known", () => {
    expect(after(lost(), recover, found)).toMatchObject({
      recovery: null,
      machine: { id: "m1", verified: false },
      volume: { id: "vol_1", region: "fra", hasData: true },
      settings: had,
      machineSize: size,
      generation: 4,
      intent: "running",
      doubtful: true,
    });
  });

  it("keeps what was wished since, and makes a new generation of it", () => {
    const settings = { ...NO_SETTINGS, envVars: { B: "3" }, kilocodeDefaultModel: "m" };
    expect(after(lost({ settings }), recover, found)).toMatchObject({
      settings: { envVars: { A: "1", B: "3" }, kilocodeApiKey: "key", kilocodeDefaultModel: "m" },
      generation: 5,
      settingsOnlySince: 5,
    });
    const stopped = withIntent(lost(), "stopped", NOW);
    expect(after(stopped, recover, found).intent).toBe("stopped");
  });

  it("does not bring back what was emptied or removed since", () => {
    const emptied = lost({ recovery: recovery({ given: ["envVars", "kilocodeApiKey"] }) });
    expect(after(emptied, recover, found)).toMatchObject({ settings: NO_SETTINGS, generation: 5 });
    const told: Outcome = {
      ...found,
      settings: { ...had, channels: { ...had.channels, telegramBotToken: "t", slackAppToken: "s" } },
    };
    const removed = lost({ recovery: recovery({ given: ["telegramBotToken"] }) });
    expect(after(removed, recover, told)).toMatchObject({
      settings: { ...had, channels: { telegramBotToken: null, slackAppToken: "s" } },
    });
  });

  it("does without settings that can't be read, and a region that nobody tells", () => {
    const bare: Outcome = {
      kind: "recovered",
      settings: null,
      keyVersion: null,
      size: null,
      generation: null,
    };
    const volume = { id: "vol_1", region: "", hasData: true };
    expect(after(lost(), { ...recover, volume }, bare)).toMatchObject({
      settings: NO_SETTINGS,
      settingsLost: true,
      generation: 1,
      volume: { region: "ams" },
    });
    // Of what was wished since, something is known.
    const settings = { ...NO_SETTINGS, kilocodeApiKey: "key" };
    expect(after(lost({ settings }), recover, bare).settingsLost).toBe(false);
  });

  it("goes on with the key that the machine's environment is sealed with", () => {
    const ownApp = ownAppAt("created");
    expect(after(lost({ ownApp }), recover, found).ownApp).toEqual({ ...ownApp, keyVersion: 3 });
    const untold: Outcome = { ...found, keyVersion: null };
    expect(after(lost({ ownApp }), recover, untold).ownApp).toEqual(ownApp);
    expect(after(lost(), recover, found).ownApp).toBeNull();
  });

  it("keeps what it found beside for as long as the instance is kept", () => {
    const [kept] = after(lost(), recover, found).leftovers;
    expect(kept).toMatchObject({ kind: "machine", id: "m2", isKept: true });
  });

  it("keeps the size of the machine, unless another was wished since", () => {
    const wished = { cpuKind: "performance", cpus: 2, memoryMb: 4_096 } as const;
    const state = lost({ machineSize: wished, sizeWished: true });
    expect(after(state, recover, found).machineSize).toEqual(wished);
  });
});

describe("an app of the tenant's own", () => {
  const ownApp = ownAppAt("wanted");
  const create: Step = { kind: "create_app", name: "app" };

  it("is made, and ready when it has the key", () => {
    const created = after(record({ ownApp }), create);
    expect(created).toMatchObject({ ownApp: { stage: "created" }, creating: null });
    expect(after(created, { kind: "set_secret" }, { kind: "secret_set", version: 7 })).toMatchObject({
      ownApp: { stage: "ready", secretsVersion: 7 },
    });
  });

  it("has another name where its name was taken", () => {
    const taken = after(record({ ownApp }), create, { kind: "app_taken" });
    expect(taken).toMatchObject({ nameConflicts: 1, lastError: { code: "app_name_taken" }, appName: "app" });
    const name = appNameOf("user-1", 1);
    expect(after(taken, { kind: "rename_app", renames: 1, name, isSearched: false })).toMatchObject({
      appName: name,
      ownApp: { renames: 1 },
      nameConflicts: 0,
      creating: null,
    });
  });
});
