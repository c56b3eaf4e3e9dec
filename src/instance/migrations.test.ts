import { describe, expect, it } from "vitest";
import { type InstanceState } from "./state.ts";
import { readState } from "./stored.ts";
import { MINUTE_MS, NOW, record } from "./testing/records.ts";

/** A record as version 1 stored it. */
function first(fields: Record<string, unknown> = {}): Record<string, unknown> {
  const { settings, machineSize } = record();
  return {
    version: 1,
    userId: "user-1",
    sandboxId: "dXNlci0x",
    appName: "app",
    volumeName: "kc_volume",
    regions: ["fra", "ams"],
    machineSize,
    settings: { ...settings, envVars: { GREETING: "hello" } },
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

function readAsSecond(stored: unknown): InstanceState {
  const read = readState(stored);
  if (read.kind !== "readable") throw new Error(read.kind === "unreadable" ? read.issues : read.kind);
  return read.state;
}

describe("a record of version 1", () => {
  it("keeps everything that it says", () => {
    const state = readAsSecond(first());
    expect(state).toMatchObject({ ...first(), version: 3, watched: { flyState: "started", since: NOW } });
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
    expect(readAsSecond(first({ machine: null, lastStartedAt: null })).volume?.hasData).toBe(true);
  });

  it("keeps a create open whose outcome is not known", () => {
    const creating = { kind: "volume", name: "kc_volume", believeAbsentAt: NOW };
    expect(readAsSecond(first({ creating })).creating).toEqual({
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
    expect(readAsSecond(first(provisioned))).toMatchObject(provisioned);
    const destroying = {
      intent: "destroyed",
      status: "destroying",
      pendingDestroyMachineId: "m1",
      pendingDestroyVolumeId: "vol_1",
    };
    // What an earlier version left behind on the word of a list is looked for before the record goes.
    expect(readAsSecond(first(destroying))).toMatchObject({ ...destroying, doubtful: true });
  });

  it("counts an error that it told as one", () => {
    const lastError = { code: "fly_busy", message: "busy", at: NOW, nextTryAt: null };
    expect(readAsSecond(first({ lastError })).lastError).toEqual({ ...lastError, attempts: 1 });
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
  ["of version 2 with a field missing", { ...record(), epoch: undefined }],
])("finds a record %s unreadable, and tells no value of it", (_what, stored) => {
  const read = readState(stored);
  expect(read).toMatchObject({ kind: "unreadable" });
  expect(JSON.stringify(read)).not.toContain("hello");
});

it("tells none from one that can't be read", () => {
  expect(readState(undefined)).toEqual({ kind: "absent" });
  expect(readState(null)).toEqual({ kind: "absent" });
});
