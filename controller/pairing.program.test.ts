/** Pairing through the controller's routes, with a stand-in for the gateway. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  approvalSchema,
  channelPairingSchema,
  devicePairingSchema,
  type DeviceRequest,
} from "../src/gateway/wire.ts";
import { startController, type ControllerProcess } from "./testing/controller-process.ts";
import type { StandInPairing } from "./testing/stand-in-pairing.ts";

const device = (name: string, change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  requestId: `request-${name}`,
  deviceId: Buffer.from(name.padEnd(32)).toString("hex"),
  publicKey: `key-of-${name}`,
  platform: "linux",
  clientId: "cli",
  clientMode: "cli",
  role: "operator",
  scopes: ["operator.read"],
  remoteIp: "203.0.113.7",
  isRepair: false,
  ts: Date.now(),
  ...change,
});
const request = (id: string): Record<string, unknown> => ({
  requestId: id,
  channel: "telegram",
  accountId: "default",
  senderId: "777001",
  metadata: { username: "stranger" },
  createdAt: Date.now(),
});

async function started(pairing: StandInPairing = {}): Promise<ControllerProcess> {
  const controller = await startController({ prepare: (home) => waitingIn(home, pairing) });
  await controller.reached("running");
  return controller;
}

const waitingIn = (home: string, pairing: StandInPairing): Promise<void> =>
  writeFile(join(home, "pairing.json"), JSON.stringify(pairing));

async function devices(controller: ControllerProcess, query = ""): Promise<readonly DeviceRequest[]> {
  return devicePairingSchema.parse(await (await controller.kilo(`/pairing/devices${query}`)).json()).requests;
}

async function channels(controller: ControllerProcess, query = "") {
  return channelPairingSchema.parse(await (await controller.kilo(`/pairing/channels${query}`)).json());
}

async function approve(
  controller: ControllerProcess,
  kind: "channels" | "devices",
  body: unknown,
): Promise<string> {
  const response = await controller.kilo(`/pairing/${kind}/approve`, { body });
  expect(response.status).toBe(200);
  return approvalSchema.parse(await response.json()).outcome;
}

it("a device that asks is in the list by the gateway's event, without being asked for", async () => {
  await using controller = await started();
  expect(await devices(controller, "?refresh=true")).toEqual([]);
  await waitingIn(controller.home, { devices: [device("a"), { requestId: "; rm -rf /" }] });
  await expect.poll(() => devices(controller)).toMatchObject([{ requestId: "request-a", clientId: "cli" }]);
});

it("M08 an approval of one request twice at the same time makes one grant, and the second is told so", async () => {
  await using controller = await started({ devices: [device("a"), device("b")] });
  const outcomes = await Promise.all([
    approve(controller, "devices", { requestId: "request-a" }),
    approve(controller, "devices", { requestId: "request-a" }),
  ]);
  expect(outcomes).toEqual(["approved", "already_approved"]);
  // What the gateway prints comes in order, so that after its next line there is no other of before.
  await approve(controller, "devices", { requestId: "request-b" });
  await controller.logged((line) => line.message === "stand-in approved request-b");
  expect(controller.log.filter((line) => line.message === "stand-in approved request-a")).toHaveLength(1);
  expect((await devices(controller)).map(({ requestId }) => requestId)).not.toContain("request-a");
});

it("M06 an approval is for what the list showed: another key or more scopes are not approved by it", async () => {
  await using controller = await started({ devices: [device("a")] });
  const [shown] = await devices(controller, "?refresh=true");
  const scopes = ["operator.read", "operator.admin"];
  await waitingIn(controller.home, { devices: [device("a", { scopes })] });
  await expect.poll(async () => (await devices(controller))[0]?.scopes).toEqual(scopes);
  const approval = { requestId: "request-a", fingerprint: shown?.fingerprint };
  expect(await approve(controller, "devices", approval)).toBe("changed");
  expect(await devices(controller)).toHaveLength(1);
});

it("M06 a device that was granted more than it asked for is removed again", async () => {
  await using controller = await started({ devices: [device("a")], grants: ["operator.admin"] });
  const response = await controller.kilo("/pairing/devices/approve", { body: { requestId: "request-a" } });
  expect(response.status).toBe(502);
  const removed = `stand-in removed ${Buffer.from("a".padEnd(32)).toString("hex")}`;
  await controller.logged((line) => line.message === removed);
});

it("a device that is known keeps what it had when another request of it is approved", async () => {
  const known = device("a", { role: "node", scopes: [] });
  const paired = [{ deviceId: known["deviceId"], roles: ["operator"], scopes: ["operator.read"] }];
  await using controller = await started({ devices: [known], paired, grants: ["operator.read"] });
  expect(await approve(controller, "devices", { requestId: "request-a" })).toBe("approved");
});

it("a request that nobody has made, or that has ended, is not pending", async () => {
  await using controller = await started({ channels: ["telegram"] });
  expect(await approve(controller, "devices", { requestId: "request-x" })).toBe("not_pending");
  expect(await approve(controller, "channels", { channel: "telegram", requestId: "x" })).toBe("not_pending");
});

it("a channel's request is listed with its channel, and approved once", async () => {
  await using controller = await started({ channels: ["telegram", "slack"], requests: [request("T-1")] });
  const listed = await channels(controller, "?refresh=true");
  expect(listed).toMatchObject({
    stale: false,
    requests: [{ requestId: "T-1", code: null, senderId: "777001" }],
  });
  expect(listed.channels.map(({ channel }) => channel).toSorted()).toEqual(["slack", "telegram"]);
  const approval = { channel: "telegram", requestId: "T-1" };
  expect(await approve(controller, "channels", approval)).toBe("approved");
  expect((await channels(controller)).requests).toEqual([]);
  expect(await approve(controller, "channels", approval)).toBe("already_approved");
});

it("a request that only a log speaks of is found by that", async () => {
  await using controller = await started({ channels: ["telegram"] });
  expect((await channels(controller, "?refresh=true")).requests).toEqual([]);
  await waitingIn(controller.home, { channels: ["telegram"], requests: [request("T-2")] });
  await writeFile(
    join(controller.home, ".openclaw", "logs", "openclaw.log"),
    '{"2":"telegram pairing request"}\n',
  );
  await expect.poll(async () => (await channels(controller)).requests).toMatchObject([{ requestId: "T-2" }]);
});

it("the last channel that is removed takes its requests along", async () => {
  await using controller = await started({ channels: ["telegram"], requests: [request("T-1")] });
  expect((await channels(controller, "?refresh=true")).requests).toHaveLength(1);
  await waitingIn(controller.home, {});
  await expect
    .poll(() => channels(controller, "?refresh=true"))
    .toMatchObject({ requests: [], channels: [], stale: false });
});

it("the list stays, marked stale, while the gateway is down", async () => {
  await using controller = await started({ devices: [device("a")] });
  await devices(controller, "?refresh=true");
  await controller.gateway("stop");
  await controller.reached("stopped");
  const response = await controller.kilo("/pairing/devices?refresh=true");
  expect(devicePairingSchema.parse(await response.json())).toMatchObject({
    stale: true,
    refreshedAt: expect.any(String),
    requests: [{ requestId: "request-a" }],
  });
  const approval = await controller.kilo("/pairing/devices/approve", { body: { requestId: "request-a" } });
  expect(approval.status).toBe(502);
});

it.each([
  ["a shell's text", { requestId: "; rm -rf /" }],
  ["an option", { requestId: "--help" }],
  ["ten kilobytes", { requestId: "x".repeat(10_000) }],
  ["two lines", { requestId: "a\nb" }],
  ["nothing", {}],
  ["more than it knows", { requestId: "a", force: true }],
])("M05 %s is no request's id", async (_, body) => {
  await using controller = await started();
  const response = await controller.kilo("/pairing/devices/approve", { body });
  expect([400, 413]).toContain(response.status);
  const channel = await controller.kilo("/pairing/channels/approve", {
    body: { channel: "telegram", ...body },
  });
  expect([400, 413]).toContain(channel.status);
  expect(controller.log.filter((line) => line.message.startsWith("stand-in runs"))).toEqual([]);
});
