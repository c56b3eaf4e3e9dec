import { describe, expect, it } from "vitest";
import { readChannelRequest, readDeviceRequest, readEach, readStoredChannelRequest } from "./entries.ts";

const AT = 1_795_165_951_416;
const device = {
  requestId: "5ed6b69d-84b6-4f6b-8e0f-6f5a1b6d2b11",
  deviceId: "4b".repeat(32),
  publicKey: "TqHwvX4q",
  platform: "linux",
  clientId: "openclaw-control-ui",
  clientMode: "ui",
  role: "operator",
  scopes: ["operator.read", "operator.admin"],
  remoteIp: "203.0.113.7",
  silent: false,
  isRepair: false,
  ts: AT,
};

describe("a device's request", () => {
  it("is read without its key, with what an approval of it is bound to and its end", () => {
    const entry = readDeviceRequest(device, AT);
    expect(entry).toMatchObject({
      requestId: device.requestId,
      role: "operator",
      scopes: device.scopes,
      requestedAt: new Date(AT).toISOString(),
      expiresAt: new Date(AT + 300_000).toISOString(),
    });
    expect(JSON.stringify(entry)).not.toContain(device.publicKey);
  });

  it("shows every role that it asks for, and is another request with one more", () => {
    const merged = readDeviceRequest({ ...device, roles: ["operator", "node"] });
    expect(merged?.role).toBe("node,operator");
    expect(merged?.fingerprint).not.toBe(readDeviceRequest(device)?.fingerprint);
    expect(readDeviceRequest({ ...device, roles: ["operator"] })).toEqual(readDeviceRequest(device));
  });

  it("ends no sooner than what lists it, and later when it was made again", () => {
    const listedLate = readDeviceRequest(device, AT + 600_000);
    expect(listedLate?.expiresAt).toBe(new Date(AT + 660_000).toISOString());
    const again = readDeviceRequest({ ...device, refreshedAtMs: AT + 200_000 }, AT);
    expect(again?.expiresAt).toBe(new Date(AT + 500_000).toISOString());
  });

  it.each([
    ["another key", { publicKey: "other" }],
    ["another role", { role: "node" }],
    ["more scopes", { scopes: [...device.scopes, "operator.write"] }],
  ])("has another fingerprint with %s, and the same in another order of scopes", (_, change) => {
    const fingerprint = readDeviceRequest(device)?.fingerprint;
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(readDeviceRequest({ ...device, scopes: device.scopes.toReversed() })?.fingerprint).toBe(
      fingerprint,
    );
    expect(readDeviceRequest({ ...device, ...change })?.fingerprint).not.toBe(fingerprint);
  });

  it.each([
    ["an id like an option", { requestId: "--help" }],
    ["an id with a shell in it", { requestId: "; rm -rf /" }],
    ["no device", { deviceId: undefined }],
    ["a device that is no hash", { deviceId: "../../etc" }],
    ["an instant that is none", { ts: Number.NaN }],
    ["an instant after which there is none", { ts: 8.64e15 }],
    ["more scopes than there are", { scopes: Array.from({ length: 65 }, (_, i) => `s${i}`) }],
  ])("M05 is none with %s", (_, change) => {
    expect(readDeviceRequest({ ...device, ...change })).toBeNull();
  });

  it("can't be hidden by a name that is too long, which is cut", () => {
    const entry = readDeviceRequest({ ...device, displayName: "x".repeat(10_000) });
    expect(entry?.displayName).toBe("x".repeat(256));
  });
});

describe("a channel's request", () => {
  it("is read from the file of OpenClaw 2026.2, with its code", () => {
    const raw = {
      id: "555001",
      code: "H8VEC6RB",
      createdAt: "2026-11-20T09:14:41.592Z",
      lastSeenAt: "2026-11-20T09:14:41.592Z",
      meta: { username: "stranger1", firstName: "Stranger", accountId: "default", nested: { a: 1 } },
    };
    expect(readStoredChannelRequest("telegram", raw)).toEqual({
      channel: "telegram",
      accountId: "default",
      code: "H8VEC6RB",
      requestId: null,
      senderId: "555001",
      meta: { username: "stranger1", firstName: "Stranger" },
      requestedAt: "2026-11-20T09:14:41.592Z",
      expiresAt: "2026-11-20T10:14:41.592Z",
    });
  });

  it("is read from the list of OpenClaw 2026.9, which keeps the code to itself", () => {
    const raw = {
      requestId: "T-o9Eyb_x",
      channel: "telegram",
      accountId: "default",
      senderId: "777001",
      senderLabel: "telegramUserId",
      metadata: { username: "u777001" },
      createdAt: AT,
      lastSeenAt: AT,
      expiresAt: AT + 3_600_000,
    };
    expect(readChannelRequest(raw)).toMatchObject({
      code: null,
      requestId: "T-o9Eyb_x",
      senderId: "777001",
      expiresAt: new Date(AT + 3_600_000).toISOString(),
    });
  });

  it.each([
    ["a code that is none", { code: "--notify" }],
    ["no instant", { createdAt: "yesterday" }],
    ["nothing at all", null],
  ])("is none with %s", (_, change) => {
    const raw = { id: "1", code: "H8VEC6RB", createdAt: "2026-11-20T09:14:41.592Z" };
    expect(readStoredChannelRequest("telegram", change && { ...raw, ...change })).toBeNull();
  });
});

it("reads each entry for itself, and no more than a list may have", () => {
  const many = Array.from({ length: 200 }, (_, index) => ({ ...device, requestId: `r${index}` }));
  expect(readEach([null, 7, { ...device, role: 9 }, device], readDeviceRequest)).toHaveLength(1);
  expect(readEach(many, readDeviceRequest)).toHaveLength(100);
});
