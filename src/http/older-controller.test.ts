import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import type { ChannelPairing, DevicePairing } from "../gateway/wire.ts";
import {
  codesOf,
  CONFIG,
  device,
  DEVICE_ID,
  idsOf,
  type OlderMachine,
  person,
  startOlderMachine,
} from "./testing/older-machine.ts";

let older: OlderMachine;

beforeAll(async () => {
  older = await startOlderMachine("older");
});
afterEach(() => older.clear());
afterAll(() => older.end());

const fingerprintOf = async (what: unknown) => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(what)));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

describe("the lists of a machine with an older controller", () => {
  it("show the devices that wait, as a newer one would, without their keys", async () => {
    await older.waitFor("devices", "request-1", device("request-1"));
    const list = await older.get<DevicePairing>("device-pairing");
    expect(list).toMatchObject({
      status: 200,
      body: {
        stale: false,
        requests: [
          {
            requestId: "request-1",
            deviceId: DEVICE_ID,
            clientMode: "ui",
            displayName: null,
            role: "operator",
            remoteIp: "203.0.113.7",
            fingerprint: await fingerprintOf([
              DEVICE_ID,
              "public-key-of-the-device",
              "operator",
              ["operator.read", "operator.write"],
            ]),
          },
        ],
      },
    });
    const [request] = list.body.requests;
    expect(Date.parse(request?.expiresAt ?? "") - Date.parse(request?.requestedAt ?? "")).toBe(300_000);
    expect(JSON.stringify(list.body)).not.toContain("public-key");
  });

  it("show who waits in each channel that is configured", async () => {
    await older.waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    await older.waitFor("pairing/discord", "QQQQ2222", person("QQQQ2222", { meta: { accountId: "work" } }));
    const { status, body } = await older.get<ChannelPairing>("pairing");
    expect(status).toBe(200);
    expect(body.channels.map(({ channel, stale }) => [channel, stale])).toEqual([
      ["telegram", false],
      ["discord", false],
    ]);
    expect(body).toMatchObject({
      stale: false,
      requests: [
        {
          channel: "telegram",
          accountId: "default",
          code: "H8VEC6RB",
          requestId: null,
          senderId: "555001",
          meta: { username: "stranger", firstName: "Stranger" },
        },
        { channel: "discord", accountId: "work", code: "QQQQ2222", meta: {} },
      ],
    });
  });

  it("leave out the command line itself, which asks to be let in each time that it looks", async () => {
    const itself = device("itself", { clientId: "cli", clientMode: "cli", remoteIp: undefined });
    await older.waitFor("devices", "itself", itself);
    await older.waitFor("devices", "other", device("other", { clientId: "cli", clientMode: "cli" }));
    expect(idsOf((await older.get<DevicePairing>("device-pairing")).body)).toEqual(["other"]);
    expect((await older.post("device-pairing/approve", { requestId: "itself" })).body).toEqual({
      outcome: "not_pending",
    });
  });

  it("leave out what can't be read, what has run out, and nothing else", async () => {
    await older.waitFor("devices", "good", device("good"));
    await older.waitFor("devices", "old", device("old", { ts: Date.now() - 301_000 }));
    await older.waitFor("devices", "option", device("--help"));
    await older.waitFor("devices", "stranger", device("stranger", { deviceId: "../../etc" }));
    await older.waitFor("devices", "dateless", device("dateless", { ts: 1e300 }));
    await older.waitFor("devices", "nothing", null);
    expect(idsOf((await older.get<DevicePairing>("device-pairing")).body)).toEqual(["good"]);
    await older.waitFor("pairing/telegram", "a", person("AAAA2222"));
    await older.waitFor("pairing/telegram", "b", person("lower-case"));
    await older.waitFor("pairing/telegram", "c", person("CCCC2222", { createdAt: "yesterday" }));
    expect(codesOf((await older.get<ChannelPairing>("pairing")).body)).toEqual(["AAAA2222"]);
  });

  it("are empty at once where no channel is configured", async () => {
    await older.machine.write("openclaw.json", {});
    expect((await older.get<ChannelPairing>("pairing")).body).toMatchObject({ requests: [], channels: [] });
    expect(await older.machine.cliCalls()).toEqual([]);
    await older.machine.write("openclaw.json", "{");
    expect((await older.get("pairing?refresh=true")).body).toMatchObject({ channels: [], stale: true });
    await older.forget();
    expect(await older.get("pairing")).toMatchObject({ status: 502, body: { reason: "config_unreadable" } });
    await older.machine.write("openclaw.json", CONFIG);
  });

  it("are kept for a minute, and had anew by a refresh", async () => {
    await older.waitFor("devices", "request-1", device("request-1"));
    const first = await older.get<DevicePairing>("device-pairing");
    const before = await older.machine.execs();
    await older.waitFor("devices", "request-2", device("request-2"));
    expect(await older.get("device-pairing")).toEqual(first);
    expect(await older.machine.execs()).toBe(before);
    const refreshed = await older.get<DevicePairing>("device-pairing?refresh=true");
    expect(idsOf(refreshed.body)).toEqual(["request-1", "request-2"]);
    expect(await older.get("device-pairing")).toEqual(refreshed);
    await older.machine.remove("devices");
    await older.age("devices", 60_000);
    expect(idsOf((await older.get<DevicePairing>("device-pairing")).body)).toEqual([]);
    expect(await older.machine.execs()).toBe(before + 2);
  });

  it("are kept of people as they are of devices", async () => {
    const first = await older.get<ChannelPairing>("pairing");
    const before = await older.machine.execs();
    await older.waitFor("pairing/telegram", "AAAA2222", person("AAAA2222"));
    expect(await older.get("pairing")).toEqual(first);
    await older.age("channels", 59_000);
    expect(await older.get("pairing")).toEqual(first);
    expect(await older.machine.execs()).toBe(before);
    await older.age("channels", 1_000);
    expect(codesOf((await older.get<ChannelPairing>("pairing")).body)).toEqual(["AAAA2222"]);
  });

  it("are had by one command for all who ask at a time", async () => {
    const before = await older.machine.execs();
    const lists = await Promise.all(
      Array.from({ length: 6 }, () => older.get("device-pairing?refresh=true")),
    );
    expect(new Set(lists.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await older.machine.execs()).toBe(before + 1);
  });
});

describe("what fails on a machine with an older controller", () => {
  it("is one channel, which keeps its last good list, marked stale (scenario 44)", async () => {
    await older.waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    await older.waitFor("pairing/discord", "QQQQ2222", person("QQQQ2222"));
    const first = (await older.get<ChannelPairing>("pairing")).body;
    await older.machine.write("pairing/telegram/fails", "");
    await older.waitFor("pairing/discord", "RRRR2222", person("RRRR2222"));
    const second = (await older.get<ChannelPairing>("pairing?refresh=true")).body;
    expect(second.stale).toBe(true);
    expect(second.refreshedAt).toBe(first.refreshedAt);
    expect(second.channels).toEqual([
      { channel: "telegram", stale: true, refreshedAt: first.refreshedAt },
      { channel: "discord", stale: false, refreshedAt: expect.not.stringMatching(first.refreshedAt ?? "") },
    ]);
    expect(codesOf(second)).toEqual(["H8VEC6RB", "QQQQ2222", "RRRR2222"]);
  });

  it("is the whole list, which is then the last good one, marked stale, or none", async () => {
    await older.waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    const first = (await older.get<ChannelPairing>("pairing")).body;
    for (const channel of ["telegram", "discord"]) await older.machine.write(`pairing/${channel}/fails`, "");
    const second = (await older.get<ChannelPairing>("pairing?refresh=true")).body;
    expect(second).toMatchObject({ stale: true, refreshedAt: first.refreshedAt, requests: first.requests });
    expect(second.channels.map(({ stale }) => stale)).toEqual([true, true]);
    await older.forget();
    expect(await older.get("pairing")).toMatchObject({ status: 502, body: { reason: "cli_failed" } });
  });

  it("is refused by Fly, and none of its words get out (S02)", async () => {
    const lease = new URL(
      `/v1/apps/${env.FLY_APP_NAME}/machines/${older.machine.machineId}/lease`,
      inject("flyApiUrl"),
    );
    const headers = {
      authorization: `Bearer ${env.FLY_API_TOKEN}`,
      "content-type": "application/json",
    };
    const taken = await fetch(lease, { method: "POST", headers, body: JSON.stringify({ ttl: 60 }) });
    const { data } = await taken.json<{ data: { nonce: string } }>();
    const listed = await older.get("device-pairing");
    const approved = await older.post("device-pairing/approve", { requestId: "request-1" });
    await fetch(lease, { method: "DELETE", headers: { ...headers, "fly-machine-lease-nonce": data.nonce } });
    for (const { status, body } of [listed, approved]) {
      expect([status, body["reason"]]).toEqual([502, "exec_refused"]);
      expect(JSON.stringify(body)).not.toMatch(/lease|nonce|node -e|exec:/i);
    }
  });

  it.each([
    [
      "an error of the controller",
      { status: 500, body: { type: "about:blank", title: "x", status: 500, code: "upstream_failed" } },
      "upstream_failed",
    ],
    ["an answer that can't be read", { body: { requests: "none" } }, "controller_unreadable"],
    ["a proxy in its place", { status: 503, raw: "" }, "controller_silent"],
    ["an unknown route in other words", { status: 404, raw: "not found" }, "controller_unreadable"],
  ])("is not %s, which is told and leads to no exec (scenario 40)", async (_what, scripted, reason) => {
    await older.waitFor("devices", "request-1", device("request-1"));
    await older.get("device-pairing");
    const before = await older.machine.execs();
    await older.machine.remove("old");
    await older.machine.write("answers.json", {
      "GET /_kilo/pairing/devices": scripted,
      "POST /_kilo/pairing/devices/approve": scripted,
      "POST /_kilo/doctor": scripted,
      "GET /_kilo/version": scripted,
    });
    const answers = [
      await older.get("device-pairing"),
      await older.get("device-pairing?refresh=true"),
      await older.post("device-pairing/approve", { requestId: "request-1" }),
      await older.post("doctor", {}),
      await older.get("controller-version"),
    ];
    await older.machine.write("old", true);
    for (const { status, body } of answers) expect([status, body["reason"]]).toEqual([502, reason]);
    expect(await older.machine.execs()).toBe(before);
  });
});
