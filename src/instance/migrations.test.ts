import { describe, expect, it } from "vitest";
import type { InstanceState } from "./state.ts";
import { readState } from "./stored.ts";
import { MINUTE_MS, NOW, ownAppAt, record } from "./testing/records.ts";

/** A record as version 1 stored it. */
function first(fields: Record<string, unknown> = {}): Record<string, unknown> {
  const { settings, machineSize } = record();
  const { encryptedSecrets: _, ...plain } = settings;
  return {
    version: 1,
    userId: "user-1",
    sandboxId: "dXNlci0x",
    appName: "app",
    volumeName: "kc_volume",
    regions: ["fra", "ams"],
    machineSize,
    settings: { ...plain, envVars: { GREETING: "hello" } },
    intent: "running",
    epoch: 7,
    generation: 3,
    fingerprint: "f3",
    status: "running",
    statusSince: NOW,
    lastError: null,
    machine: { id: "m1", createdAt: NOW - MINUTE_MS, seen: true },
    volume: { id: "vol_1", region: "fra", createdAt: NOW - MINUTE_MS, seen: true },
    creating: null,
    watched: { flyState: "started", since: NOW, silentSince: null },
    accepted: null,
    pendingDestroyMachineId: null,
    pendingDestroyVolumeId: null,
    bringUps: [NOW],
    failures: 0,
    retryAt: null,
    provisionedAt: NOW - MINUTE_MS,
    lastStartedAt: NOW,
    lastStoppedAt: null,
    ...fields,
  };
}

/** A record as version 2 stored it. */
function second(): Record<string, unknown> {
  const { ran: _, unanswered: __, ...state } = third();
  return { ...state, version: 2 };
}

/** A record as version 4 stored it. */
function fourth(): Record<string, unknown> {
  const { settings, ...state } = ofBefore();
  return { ...state, version: 4, settings: { ...settings, envVars: { GREETING: "hello" } } };
}

/** Without what came with version 5. */
function ofBefore(): Omit<InstanceState, "applied" | "applying" | "generationBase" | "settingsOnlySince"> {
  const state = record({ ownApp: ownAppAt("ready", { secretsVersion: 4 }), generation: 3 });
  const { applied: _, applying: __, generationBase: ___, settingsOnlySince: ____, ...older } = state;
  return older;
}

/** A record as version 3 stored it. */
function third(): Record<string, unknown> {
  const { settings, ...state } = ofBefore();
  const { encryptedSecrets: _, ...plain } = settings;
  const { keyVersion: __, ...ownApp } = ownAppAt("ready", { secretsVersion: 4 });
  return { ...state, version: 3, ownApp, settings: { ...plain, envVars: { GREETING: "hello" } } };
}

function readAsNewest(stored: unknown): InstanceState {
  const read = readState(stored);
  if (read.kind !== "readable") throw new Error(read.kind === "unreadable" ? read.issues : read.kind);
  return read.state;
}

describe("a record of version 1", () => {
  it("keeps everything that it says", () => {
    const state = readAsNewest(first());
    expect(state).toMatchObject({ ...first(), version: 5, watched: { flyState: "started", since: NOW } });
    expect(state).toMatchObject({
      ownApp: null,
      recovery: null,
      candidate: null,
      leftovers: [],
      machine: { verified: true, remounted: false },
      volume: { hasData: true, missing: null },
    });
  });

  it("does not tell whether a machine ever wrote to the volume, so it is taken to have data", () => {
    expect(readAsNewest(first({ machine: null, lastStartedAt: null })).volume?.hasData).toBe(true);
  });

  it("keeps a create open whose outcome is not known", () => {
    const creating = { kind: "volume", name: "kc_volume", believeAbsentAt: NOW };
    expect(readAsNewest(first({ creating })).creating).toEqual({
      kind: "volume",
      name: "kc_volume",
      sentAt: NOW - MINUTE_MS,
      earlierAt: null,
      empty: null,
      on: null,
      source: "empty",
    });
  });

  it("that was provisioned, is stopped, or is being destroyed stays so", () => {
    const bare = { machine: null, volume: null, watched: null, lastStartedAt: null };
    const provisioned = { ...bare, intent: "stopped", status: "provisioned" };
    expect(readAsNewest(first(provisioned))).toMatchObject(provisioned);
    const destroying = {
      intent: "destroyed",
      status: "destroying",
      pendingDestroyMachineId: "m1",
      pendingDestroyVolumeId: "vol_1",
    };
    // What an earlier version left behind on the word of a list is looked for before the record goes.
    expect(readAsNewest(first(destroying))).toMatchObject({ ...destroying, doubtful: true });
  });

  it("counts an error that it told as one", () => {
    const lastError = { code: "fly_busy", message: "busy", at: NOW, nextTryAt: null };
    expect(readAsNewest(first({ lastError })).lastError).toEqual({ ...lastError, attempts: 1 });
  });
});

describe.each([
  ["2", second()],
  ["3", third()],
])("a record of version %s", (_version, stored) => {
  it("has plain settings, and its environment sealed under the first key", () => {
    const state = readAsNewest(stored);
    expect(state).toMatchObject({ ...stored, version: 5 });
    expect(state.settings.encryptedSecrets).toEqual({});
    expect(state.ownApp).toMatchObject({ stage: "ready", secretsVersion: 4, keyVersion: 1 });
  });

  it("may live in an app that all tenants share", () => {
    expect(readAsNewest({ ...stored, ownApp: null }).ownApp).toBeNull();
  });
});

describe("a record of version 4", () => {
  it("keeps everything that it says, and knows of no settings that its machine was given while it ran", () => {
    expect(readAsNewest(fourth())).toMatchObject({
      ...fourth(),
      version: 5,
      applied: null,
      applying: null,
      generationBase: NOW,
    });
  });

  it("has its machine updated for the next change, since that was not told of its generation", () => {
    expect(readAsNewest(fourth()).settingsOnlySince).toBe(4);
  });
});

it("reads a record of its own version as it is", () => {
  const state = record();
  expect(readState(state)).toEqual({ kind: "readable", state });
});

it.each([
  ["of an unknown version", { ...first(), version: 99 }],
  ["of an older version than any", { ...first(), version: 0 }],
  ["without a version", { userId: "user-1" }],
  ["that is no record", "text"],
  ["of version 1 without its user", { ...first(), userId: undefined }],
  ["of version 1 with a machine of another shape", first({ machine: { id: "m1" } })],
  ["of version 1 with a field that it never had", first({ surprise: true })],
  ["of version 2 with a field missing", { ...second(), epoch: undefined }],
  ["of version 4 without its generation", { ...fourth(), generation: undefined }],
  ["of its own version with a field missing", { ...record(), epoch: undefined }],
])("finds a record %s unreadable, and tells no value of it", (_what, stored) => {
  const read = readState(stored);
  expect(read).toMatchObject({ kind: "unreadable" });
  expect(JSON.stringify(read)).not.toContain("hello");
});

it("tells none from one that can't be read", () => {
  expect(readState(undefined)).toEqual({ kind: "absent" });
  expect(readState(null)).toEqual({ kind: "absent" });
});
