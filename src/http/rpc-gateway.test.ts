import { env, exports } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { machineTokensOf } from "../auth/machine-tokens.ts";
import { platform as http } from "./testing/client.ts";
import { HOSTILE_NAMES } from "./testing/hostile-names.ts";
import { type StandIn, startStandIn } from "./testing/stand-in.ts";

const platform = exports.KiloClawPlatform;
const USER = "rpc-asked";
let machine: StandIn;

beforeAll(async () => {
  machine = await startStandIn(USER);
});

afterAll(async () => {
  await http("destroy", { userId: USER });
});

describe("the machine's part of the platform's RPC", () => {
  it("gives what the HTTP API gives, as values", async () => {
    expect(await platform.pairing(USER)).toMatchObject({ kind: "answered", value: { channels: [] } });
    expect(await platform.devicePairing(USER)).toMatchObject({ kind: "answered", value: { requests: [] } });
    expect(await platform.doctor(USER)).toMatchObject({ kind: "answered", value: { state: "never_run" } });
    expect(await platform.runDoctor(USER)).toMatchObject({ kind: "answered", value: { state: "running" } });
    expect(await platform.cancelDoctor(USER)).toMatchObject({ value: { state: "cancelled" } });
    expect(await platform.controllerVersion(USER)).toMatchObject({ value: { openclaw: "2026.9.6" } });
    expect(await platform.gatewayStatus(USER)).toMatchObject({ value: { state: "running" } });
    expect(await platform.startGateway(USER)).toMatchObject({ value: { state: "running" } });
    expect(await platform.stopGateway(USER)).toMatchObject({ value: { state: "stopping" } });
    expect(await platform.restartGateway(USER)).toMatchObject({ value: { state: "stopping" } });
    expect(await platform.gatewayLogs(USER)).toMatchObject({ value: { newest: 3 } });
    expect(await platform.configReport(USER)).toMatchObject({ value: { kind: "written" } });
    expect(await platform.volumeSnapshots(USER)).toMatchObject({ kind: "snapshots", snapshots: [] });
    const { gatewayToken } = await machineTokensOf(
      env.GATEWAY_TOKEN_SECRET ?? "",
      btoa(USER).replace(/=+$/, ""),
    );
    expect(await platform.gatewayToken(USER)).toEqual({ kind: "gateway_token", gatewayToken });
  });

  it("asks the machine for just what it was asked for", async () => {
    const approved = { kind: "answered", value: { outcome: "approved" } };
    expect(await platform.approvePairing({ userId: USER, channel: "telegram", code: "ABCD2345" })).toEqual(
      approved,
    );
    expect(await platform.approveDevicePairing({ userId: USER, requestId: "abc-1" })).toEqual(approved);
    await platform.runDoctor(USER, { fix: true });
    await platform.devicePairing(USER, { refresh: true });
    await platform.gatewayLogs(USER, { after: 5, limit: 7 });
    const asked = (await machine.asked()).slice(-5);
    expect(asked.map(({ place, search, body }) => `${place}${search} ${body}`)).toEqual([
      'POST /_kilo/pairing/channels/approve {"channel":"telegram","code":"ABCD2345"}',
      'POST /_kilo/pairing/devices/approve {"requestId":"abc-1"}',
      'POST /_kilo/doctor {"fix":true}',
      "GET /_kilo/pairing/devices?refresh=true ",
      "GET /_kilo/gateway/logs?after=5&limit=7 ",
    ]);
  });

  it("tells why nobody was asked, or what failed, as a value", async () => {
    expect(await platform.pairing("rpc-nobody")).toEqual({ kind: "not_provisioned" });
    expect(await platform.gatewayToken("rpc-nobody")).toEqual({ kind: "not_provisioned" });
    expect(await platform.volumeSnapshots("rpc-nobody")).toEqual({ kind: "not_provisioned" });
    await http("provision", { userId: "rpc-at-rest" });
    expect(await platform.gatewayStatus("rpc-at-rest")).toMatchObject({
      kind: "not_running",
      status: "provisioned",
    });
    await http("destroy", { userId: "rpc-at-rest" });
    await machine.write("answers.json", { "GET /_kilo/gateway/status": { raw: "no JSON" } });
    expect(await platform.gatewayStatus(USER)).toEqual({
      kind: "failed",
      reason: "controller_unreadable",
      retryAfterS: null,
    });
    await machine.remove("answers.json");
  });

  it.each(HOSTILE_NAMES)("approves nothing by the name of %s (M05)", async (_what, hostile) => {
    const before = (await machine.asked()).length;
    expect(await platform.approveDevicePairing({ userId: USER, requestId: hostile })).toMatchObject({
      kind: "invalid_request",
      issues: [{ path: "requestId" }],
    });
    expect(await platform.approvePairing({ userId: USER, channel: "telegram", code: hostile })).toMatchObject(
      { kind: "invalid_request", issues: [{ path: "code" }] },
    );
    expect(await machine.asked()).toHaveLength(before);
  });

  it("refuses a user id that is none, whatever is asked", async () => {
    for (const method of [
      "pairing",
      "doctor",
      "gatewayToken",
      "volumeSnapshots",
      "restartGateway",
    ] as const) {
      expect((await platform[method]("")).kind).toBe("invalid_request");
    }
  });
});
