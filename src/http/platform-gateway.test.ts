import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { machineTokensOf } from "../auth/machine-tokens.ts";
import { platform, platformGet, request } from "./testing/client.ts";
import { HOSTILE_NAMES } from "./testing/hostile-names.ts";
import { type StandIn, startStandIn } from "./testing/stand-in.ts";

const USER = "asked";
let machine: StandIn;

beforeAll(async () => {
  machine = await startStandIn(USER);
});

afterAll(async () => {
  await platform("destroy", { userId: USER });
});

const bodyOf = async (answer: Response) => ({ status: answer.status, body: await answer.json<unknown>() });
const get = (path: string, userId = USER) =>
  platformGet(`${path}${path.includes("?") ? "&" : "?"}userId=${userId}`);
const cancelDoctor = () =>
  request(`/api/platform/doctor?userId=${USER}`, {
    method: "DELETE",
    headers: { "x-internal-api-key": env.INTERNAL_API_SECRET ?? "" },
  });

const READS = [
  "pairing",
  "device-pairing",
  "doctor",
  "controller-version",
  "gateway",
  "gateway/logs",
  "config-report",
];
const ACTS: [path: string, fields: Record<string, unknown>][] = [
  ["gateway/start", {}],
  ["gateway/stop", {}],
  ["gateway/restart", {}],
  ["doctor", { fix: true }],
  ["pairing/approve", { channel: "telegram", code: "ABCD2345" }],
  ["device-pairing/approve", { requestId: "abc-1" }],
];

describe("what the platform asks of a machine", () => {
  it.each([
    ["pairing", { requests: [], channels: [], stale: false }],
    ["device-pairing", { requests: [], stale: false }],
    ["doctor", { state: "never_run" }],
    ["controller-version", { controller: "0.2.0", openclaw: "2026.9.6" }],
    ["gateway", { state: "running", pid: 7, memoryBytes: null }],
    ["gateway/logs", { newest: 3, lines: [{ number: 3, stream: "stderr", text: "a line" }] }],
    ["config-report", { kind: "written", channels: ["telegram"] }],
  ])("is answered at %s", async (path, expected) => {
    const answer = await get(path);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await bodyOf(answer)).toMatchObject({ status: 200, body: expected });
  });

  it.each([
    ["gateway/start", {}, 202, { state: "running" }],
    ["gateway/stop", {}, 202, { state: "stopping" }],
    ["gateway/restart", {}, 202, { state: "stopping" }],
    ["doctor", { fix: true }, 202, { state: "running" }],
    ["pairing/approve", { channel: "telegram", code: "ABCD2345" }, 200, { outcome: "approved" }],
    ["device-pairing/approve", { requestId: "abc-1" }, 200, { outcome: "approved" }],
  ])("is done at %s", async (path, fields, status, expected) => {
    const answer = await platform(path, { userId: USER, ...fields });
    expect(await bodyOf(answer)).toMatchObject({ status, body: expected });
  });

  it("ends a doctor", async () => {
    expect(await bodyOf(await cancelDoctor())).toMatchObject({ status: 202, body: { state: "cancelled" } });
  });

  it("reaches the machine as it was meant, with the machine's own token and no key of ours", async () => {
    await get("pairing?refresh=true");
    await get("gateway/logs?after=17&limit=3");
    await platform("pairing/approve", {
      userId: USER,
      channel: "telegram",
      accountId: "work",
      requestId: "T-o9",
    });
    const asked = (await machine.asked()).slice(-3);
    expect(asked.map(({ place, search, body }) => [place, search, body])).toEqual([
      ["GET /_kilo/pairing/channels", "?refresh=true", ""],
      ["GET /_kilo/gateway/logs", "?after=17&limit=3", ""],
      [
        "POST /_kilo/pairing/channels/approve",
        "",
        '{"channel":"telegram","accountId":"work","requestId":"T-o9"}',
      ],
    ]);
    expect(JSON.stringify(asked)).not.toContain(env.INTERNAL_API_SECRET);
  });

  it("gives the second approval of a request the answer that the machine has for it (M08)", async () => {
    await machine.write("answers.json", {
      "POST /_kilo/pairing/devices/approve": { body: { outcome: "already_approved" } },
      "POST /_kilo/pairing/channels/approve": { body: { outcome: "not_pending" } },
    });
    const device = await platform("device-pairing/approve", { userId: USER, requestId: "abc-1" });
    expect(await bodyOf(device)).toEqual({ status: 200, body: { outcome: "already_approved" } });
    const channel = await platform("pairing/approve", {
      userId: USER,
      channel: "telegram",
      code: "ABCD2345",
    });
    expect(await bodyOf(channel)).toEqual({ status: 200, body: { outcome: "not_pending" } });
    await machine.remove("answers.json");
  });

  it("is the gateway's token, and the snapshots of the volume", async () => {
    const { gatewayToken } = await machineTokensOf(
      env.GATEWAY_TOKEN_SECRET ?? "",
      btoa(USER).replace(/=+$/, ""),
    );
    const token = await get("gateway-token");
    expect(token.headers.get("cache-control")).toBe("no-store");
    expect(await bodyOf(token)).toEqual({ status: 200, body: { gatewayToken } });
    const { flyVolumeId } = await (await get("status")).json<{ flyVolumeId: string }>();
    expect(await bodyOf(await get("volume-snapshots"))).toEqual({
      status: 200,
      body: { volumeId: flyVolumeId, snapshots: [] },
    });
  });

  it("has no other methods", async () => {
    const wrong = await platform("gateway/logs", { userId: USER });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET"]);
    const doctor = await request("/api/platform/doctor", {
      method: "PUT",
      headers: { "x-internal-api-key": env.INTERNAL_API_SECRET ?? "" },
    });
    expect([doctor.status, doctor.headers.get("allow")]).toEqual([405, "GET, POST, DELETE"]);
  });

  it("is nobody's without the internal key", async () => {
    for (const path of [...READS, "gateway-token", "volume-snapshots"]) {
      expect((await request(`/api/platform/${path}?userId=${USER}`)).status).toBe(401);
    }
    for (const [path] of ACTS) {
      expect((await request(`/api/platform/${path}`, { method: "POST" })).status).toBe(401);
    }
  });
});

describe("a controller that does not answer as it should", () => {
  afterEach(() => machine.remove("answers.json"));

  const problem = (code: string) => ({
    type: "about:blank",
    title: "No <b>sk-secret</b>.",
    status: 500,
    code,
  });

  it.each([
    ["starting", 503, "starting", "3"],
    ["shutting_down", 502, "upstream_failed", "10"],
    ["upstream_failed", 502, "upstream_failed", null],
    ["upstream_timeout", 502, "upstream_failed", "10"],
    ["unauthenticated", 502, "upstream_failed", null],
    ["misconfigured", 502, "upstream_failed", null],
    ["stale_generation", 502, "upstream_failed", null],
  ])("is told by its own code %s, without its words (S02)", async (reason, status, code, retryAfter) => {
    await machine.write("answers.json", {
      "GET /_kilo/gateway/status": { status: 503, body: problem(reason) },
    });
    const answer = await get("gateway");
    const text = await answer.text();
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([status, retryAfter]);
    expect(JSON.parse(text)).toMatchObject({ code, reason });
    expect(text).not.toContain("sk-secret");
  });

  it.each([
    ["what is no JSON", { raw: "<html>sk-secret" }, "controller_unreadable"],
    ["what is not of its wire", { body: { state: "sk-secret" } }, "controller_unreadable"],
    ["more than an answer can have", { raw: " ".repeat(70_000) }, "controller_unreadable"],
    ["a redirect", { status: 302, raw: "" }, "controller_unreadable"],
    ["a page of its own", { status: 404, raw: "<html>sk-secret" }, "controller_unreadable"],
    ["an error of a proxy", { status: 502, raw: "" }, "controller_silent"],
  ])("is not believed %s", async (_what, scripted, reason) => {
    await machine.write("answers.json", { "GET /_kilo/gateway/status": scripted });
    const answer = await get("gateway");
    const text = await answer.text();
    expect(answer.status).toBe(502);
    expect(JSON.parse(text)).toMatchObject({ code: "upstream_failed", reason });
    expect(text).not.toContain("sk-secret");
  });

  it.each(["gateway", "gateway/logs", "config-report"])(
    "is not asked by another way where there is none: %s of an older one",
    async (path) => {
      await machine.write("old", true);
      const before = await machine.execs();
      const answer = await get(path);
      await machine.remove("old");
      await machine.write("answers.json", {});
      expect(await bodyOf(answer)).toMatchObject({ status: 502, body: { reason: "unknown_route" } });
      expect(await machine.execs()).toBe(before);
    },
  );
});

describe("an instance that is not up", () => {
  it("has no machine that could be asked, and none is", async () => {
    const userId = "never-started";
    await platform("provision", { userId });
    for (const path of READS) {
      const answer = await get(path, userId);
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "60"]);
      expect(await answer.json()).toMatchObject({ code: "not_running", instanceStatus: "provisioned" });
    }
    for (const [path, fields] of ACTS) {
      const answer = await platform(path, { userId, ...fields });
      expect(await bodyOf(answer)).toMatchObject({ status: 503, body: { code: "not_running" } });
    }
    expect((await get("gateway-token", userId)).status).toBe(200);
    await platform("destroy", { userId });
  });

  it("is asked all the same while its gateway can't start, for which the controller stays up", async () => {
    const userId = "rescued";
    const stranded = await startStandIn(userId, "rescue");
    expect(await (await get("status", userId)).json()).toMatchObject({
      status: "starting",
      lastError: { code: "gateway_degraded" },
    });
    expect((await get("gateway/logs", userId)).status).toBe(200);
    expect((await platform("doctor", { userId, fix: true })).status).toBe(202);
    expect((await stranded.asked()).map(({ place }) => place).slice(-2)).toEqual([
      "GET /_kilo/gateway/logs",
      "POST /_kilo/doctor",
    ]);
    await platform("destroy", { userId });
  });

  it("is not there for a stranger", async () => {
    for (const path of [...READS, "gateway-token", "volume-snapshots"]) {
      expect(await bodyOf(await get(path, "no-instance"))).toMatchObject({
        status: 404,
        body: { code: "not_provisioned" },
      });
    }
  });
});

describe("what no machine is asked for", () => {
  const HOSTILE = [...HOSTILE_NAMES, ["a number", 12_345_678], ["a list", ["ABCD2345"]]] as const;

  it.each(HOSTILE)("is an approval of %s (M05)", async (_what, hostile) => {
    const before = (await machine.asked()).length;
    for (const [path, field, body] of [
      ["device-pairing/approve", "requestId", { requestId: hostile }],
      ["device-pairing/approve", "fingerprint", { requestId: "abc", fingerprint: hostile }],
      ["pairing/approve", "code", { channel: "telegram", code: hostile }],
      ["pairing/approve", "requestId", { channel: "telegram", requestId: hostile }],
      ["pairing/approve", "channel", { channel: hostile, code: "ABCD2345" }],
      ["pairing/approve", "accountId", { channel: "telegram", code: "ABCD2345", accountId: hostile }],
    ] as const) {
      const answer = await platform(path, { userId: USER, ...body });
      expect(await bodyOf(answer)).toMatchObject({
        status: 400,
        body: { code: "invalid_request", issues: [{ path: field }] },
      });
    }
    expect(await machine.asked()).toHaveLength(before);
  });

  it.each([
    ["without a code", { channel: "telegram" }, "code"],
    ["by two ways", { channel: "telegram", code: "ABCD2345", requestId: "abc" }, "code"],
    ["with a field too many", { channel: "telegram", code: "ABCD2345", notify: true }, ""],
  ])("is an approval %s", async (_what, fields, path) => {
    const answer = await platform("pairing/approve", { userId: USER, ...fields });
    expect(await bodyOf(answer)).toMatchObject({ status: 400, body: { issues: [{ path }] } });
  });

  it.each([
    "pairing?refresh=1",
    "gateway/logs?limit=0",
    "gateway/logs?limit=100000",
    "gateway/logs?after=-1",
  ])("is %s", async (path) => {
    expect((await get(path)).status).toBe(400);
  });

  it("is a doctor that does what the wire has no word for", async () => {
    const answer = await platform("doctor", { userId: USER, fix: "--yes" });
    expect(await bodyOf(answer)).toMatchObject({ status: 400, body: { issues: [{ path: "fix" }] } });
  });
});
