import { env, exports } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import type { ChannelPairing, DevicePairing } from "../gateway/wire.ts";
import { hold } from "../instance/testing/gate.ts";
import { platform, platformGet } from "./testing/client.ts";
import { type StandIn, startStandIn } from "./testing/stand-in.ts";

const USER = "older";
const SANDBOX = btoa(USER).replace(/=+$/, "");
const CONFIG = { channels: { telegram: {}, discord: {}, slack: { enabled: false }, defaults: {} } };
const DEVICE_ID = "4b".repeat(32);
let machine: StandIn;

type Kind = "devices" | "channels";

beforeAll(async () => {
  machine = await startStandIn(USER);
  await machine.write("old", true);
  await machine.write("openclaw.json", CONFIG);
});

afterEach(async () => {
  await forget();
  for (const name of [
    "locked",
    "generous",
    "calls.jsonl",
    "devices",
    "pairing",
    "answers.json",
    "cli.jsonl",
    "doctor-fails",
    "doctor-hangs",
  ]) {
    await machine.remove(name);
  }
});

afterAll(async () => {
  await platform("destroy", { userId: USER });
});

const get = async <T = Record<string, unknown>>(path: string) => {
  const answer = await platformGet(`${path}${path.includes("?") ? "&" : "?"}userId=${USER}`);
  return { status: answer.status, body: await answer.json<T>() };
};
const post = async (path: string, fields: Record<string, unknown>) => {
  const answer = await platform(path, { userId: USER, ...fields });
  return { status: answer.status, body: await answer.json<Record<string, unknown>>() };
};

const device = (requestId: string, changes: Record<string, unknown> = {}) => ({
  requestId,
  deviceId: DEVICE_ID,
  publicKey: "public-key-of-the-device",
  clientId: "openclaw-control-ui",
  clientMode: "ui",
  platform: "linux",
  role: "operator",
  roles: ["operator"],
  scopes: ["operator.write", "operator.read"],
  remoteIp: "203.0.113.7",
  isRepair: false,
  ts: Date.now(),
  ...changes,
});
const person = (code: string, changes: Record<string, unknown> = {}) => ({
  id: "555001",
  code,
  createdAt: new Date().toISOString(),
  lastSeenAt: new Date().toISOString(),
  meta: { username: "stranger", firstName: "Stranger", accountId: "default" },
  ...changes,
});

const waitFor = (directory: string, id: string, entry: unknown) =>
  machine.write(`${directory}/${id}.json`, entry);
const idsOf = (list: DevicePairing) => list.requests.map(({ requestId }) => requestId);
const codesOf = (list: ChannelPairing) => list.requests.map(({ code }) => code);
const entryKey = (kind: Kind) => `by-exec/${SANDBOX}/${kind}`;

/** As if no list had been asked for yet. */
const forget = async () => {
  for (const kind of ["devices", "channels"] as const) await env.KV_CLAW_CACHE.delete(entryKey(kind));
};

/** As if so much time had gone by since a list was kept. */
const age = async (kind: Kind, ms: number) => {
  const entry = await env.KV_CLAW_CACHE.get<{ keptAt: number }>(entryKey(kind), "json");
  if (entry === null) throw new Error(`no list of ${kind} is kept`);
  await env.KV_CLAW_CACHE.put(entryKey(kind), JSON.stringify({ ...entry, keptAt: entry.keptAt - ms }));
};

const fingerprintOf = async (what: unknown) => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(what)));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

describe("the lists of a machine with an older controller", () => {
  it("show the devices that wait, as a newer one would, without their keys", async () => {
    await waitFor("devices", "request-1", device("request-1"));
    const list = await get<DevicePairing>("device-pairing");
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
    await waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    await waitFor("pairing/discord", "QQQQ2222", person("QQQQ2222", { meta: { accountId: "work" } }));
    const { status, body } = await get<ChannelPairing>("pairing");
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
    await waitFor("devices", "itself", itself);
    await waitFor("devices", "other", device("other", { clientId: "cli", clientMode: "cli" }));
    expect(idsOf((await get<DevicePairing>("device-pairing")).body)).toEqual(["other"]);
    expect((await post("device-pairing/approve", { requestId: "itself" })).body).toEqual({
      outcome: "not_pending",
    });
  });

  it("leave out what can't be read, what has run out, and nothing else", async () => {
    await waitFor("devices", "good", device("good"));
    await waitFor("devices", "old", device("old", { ts: Date.now() - 301_000 }));
    await waitFor("devices", "option", device("--help"));
    await waitFor("devices", "stranger", device("stranger", { deviceId: "../../etc" }));
    await waitFor("devices", "dateless", device("dateless", { ts: 1e300 }));
    await waitFor("devices", "nothing", null);
    expect(idsOf((await get<DevicePairing>("device-pairing")).body)).toEqual(["good"]);
    await waitFor("pairing/telegram", "a", person("AAAA2222"));
    await waitFor("pairing/telegram", "b", person("lower-case"));
    await waitFor("pairing/telegram", "c", person("CCCC2222", { createdAt: "yesterday" }));
    expect(codesOf((await get<ChannelPairing>("pairing")).body)).toEqual(["AAAA2222"]);
  });

  it("are empty at once where no channel is configured", async () => {
    await machine.write("openclaw.json", {});
    expect((await get<ChannelPairing>("pairing")).body).toMatchObject({ requests: [], channels: [] });
    expect(await machine.cliCalls()).toEqual([]);
    await machine.write("openclaw.json", "{");
    expect((await get("pairing?refresh=true")).body).toMatchObject({ channels: [], stale: true });
    await forget();
    expect(await get("pairing")).toMatchObject({ status: 502, body: { reason: "config_unreadable" } });
    await machine.write("openclaw.json", CONFIG);
  });

  it("are kept for a minute, and had anew by a refresh", async () => {
    await waitFor("devices", "request-1", device("request-1"));
    const first = await get<DevicePairing>("device-pairing");
    const before = await machine.execs();
    await waitFor("devices", "request-2", device("request-2"));
    expect(await get("device-pairing")).toEqual(first);
    expect(await machine.execs()).toBe(before);
    const refreshed = await get<DevicePairing>("device-pairing?refresh=true");
    expect(idsOf(refreshed.body)).toEqual(["request-1", "request-2"]);
    expect(await get("device-pairing")).toEqual(refreshed);
    await machine.remove("devices");
    await age("devices", 60_000);
    expect(idsOf((await get<DevicePairing>("device-pairing")).body)).toEqual([]);
    expect(await machine.execs()).toBe(before + 2);
  });

  it("are had by one command for all who ask at a time", async () => {
    const before = await machine.execs();
    const lists = await Promise.all(Array.from({ length: 6 }, () => get("device-pairing?refresh=true")));
    expect(new Set(lists.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await machine.execs()).toBe(before + 1);
  });
});

describe("an approval on a machine with an older controller", () => {
  it("lets the device in, and takes it from the list", async () => {
    await waitFor("devices", "request-1", device("request-1"));
    await waitFor("devices", "request-2", device("request-2"));
    expect(idsOf((await get<DevicePairing>("device-pairing")).body)).toEqual(["request-1", "request-2"]);
    expect(await post("device-pairing/approve", { requestId: "request-1" })).toEqual({
      status: 200,
      body: { outcome: "approved" },
    });
    expect(idsOf((await get<DevicePairing>("device-pairing")).body)).toEqual(["request-2"]);
    expect(await machine.gatewayCalls()).toContainEqual({
      method: "device.pair.approve",
      requestId: "request-1",
    });
    expect(await machine.cliCalls()).toEqual([]);
  });

  it("lets the device in by the command line where the gateway lets nobody in", async () => {
    await machine.write("locked", "");
    await waitFor("devices", "request-1", device("request-1"));
    const shown = (await get<DevicePairing>("device-pairing")).body;
    expect(idsOf(shown)).toEqual(["request-1"]);
    const approval = { requestId: "request-1", fingerprint: shown.requests[0]?.fingerprint };
    const answers = await Promise.all([
      post("device-pairing/approve", approval),
      post("device-pairing/approve", approval),
    ]);
    expect(answers.map(({ body }) => String(body["outcome"])).toSorted()).toEqual([
      "approved",
      "not_pending",
    ]);
    expect(await machine.cliCalls()).toContainEqual(["devices", "approve", "request-1", "--json"]);
    expect(await machine.gatewayCalls()).toEqual([]);
  });

  it("that grants more than was asked for is taken back, and told as such (M06)", async () => {
    await machine.write("generous", "");
    await waitFor("devices", "request-1", device("request-1"));
    expect(await post("device-pairing/approve", { requestId: "request-1" })).toMatchObject({
      status: 502,
      body: { reason: "granted_too_much" },
    });
    expect(await machine.gatewayCalls()).toContainEqual({
      method: "device.pair.remove",
      deviceId: DEVICE_ID,
    });
  });

  it("lets the person in who has the code, and tells them", async () => {
    await waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    await waitFor("pairing/discord", "WORK2222", person("WORK2222", { meta: { accountId: "work" } }));
    expect(codesOf((await get<ChannelPairing>("pairing")).body)).toEqual(["H8VEC6RB", "WORK2222"]);
    for (const fields of [
      { channel: "telegram", code: "H8VEC6RB" },
      { channel: "discord", accountId: "work", code: "WORK2222" },
    ]) {
      expect((await post("pairing/approve", fields)).body).toEqual({ outcome: "approved" });
    }
    expect((await get<ChannelPairing>("pairing")).body.requests).toEqual([]);
    expect(await machine.cliCalls()).toEqual(
      expect.arrayContaining([
        ["pairing", "approve", "telegram", "H8VEC6RB", "--notify"],
        ["pairing", "approve", "discord", "WORK2222", "--account", "work", "--notify"],
      ]),
    );
  });

  it("is made once, however often it is asked for at a time (M08)", async () => {
    await waitFor("devices", "request-1", device("request-1"));
    await waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    for (const [path, fields] of [
      ["device-pairing/approve", { requestId: "request-1" }],
      ["pairing/approve", { channel: "telegram", code: "H8VEC6RB" }],
    ] as const) {
      const answers = await Promise.all([post(path, fields), post(path, fields), post(path, fields)]);
      expect(answers.map(({ status, body }) => [status, body["outcome"]].join(" ")).toSorted()).toEqual([
        "200 approved",
        "200 not_pending",
        "200 not_pending",
      ]);
    }
  });

  it("is of just what the list showed, where it says so (M06)", async () => {
    await waitFor("devices", "request-1", device("request-1"));
    const shown = (await get<DevicePairing>("device-pairing")).body.requests[0];
    const approval = { requestId: "request-1", fingerprint: shown?.fingerprint };
    await waitFor("devices", "request-1", device("request-1", { scopes: ["operator.admin"] }));
    expect((await post("device-pairing/approve", approval)).body).toEqual({ outcome: "changed" });
    expect(idsOf((await get<DevicePairing>("device-pairing?refresh=true")).body)).toEqual(["request-1"]);
    await waitFor("devices", "request-1", device("request-1"));
    expect((await post("device-pairing/approve", approval)).body).toEqual({ outcome: "approved" });
    expect((await post("device-pairing/approve", approval)).body).toEqual({ outcome: "not_pending" });
  });

  it("of a request that is another tenant's, or nobody's, finds none (M05)", async () => {
    await waitFor("devices", "request-1", device("request-1"));
    for (const requestId of ["5ed6b69d-0c1f-4b52-9a0e-2f4f7a1c9d11", "request-2"]) {
      expect((await post("device-pairing/approve", { requestId })).body).toEqual({ outcome: "not_pending" });
    }
    expect(idsOf((await get<DevicePairing>("device-pairing")).body)).toEqual(["request-1"]);
  });

  it("of a request that only a newer controller can name finds none", async () => {
    const before = await machine.execs();
    const approval = { channel: "telegram", requestId: "T-o9Eyb" };
    expect((await post("pairing/approve", approval)).body).toEqual({ outcome: "not_pending" });
    expect(await machine.execs()).toBe(before);
  });

  it("drops what is kept of a list, also where a newer controller carried it out (scenario 42)", async () => {
    await waitFor("devices", "request-1", device("request-1"));
    await waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    await Promise.all([get("device-pairing"), get("pairing")]);
    await machine.remove("old");
    await post("device-pairing/approve", { requestId: "request-1" });
    await post("pairing/approve", { channel: "telegram", code: "H8VEC6RB" });
    for (const kind of ["devices", "channels"] as const) {
      expect(await env.KV_CLAW_CACHE.get(entryKey(kind))).toBeNull();
    }
    await machine.write("old", true);
    await machine.remove("devices");
    await machine.remove("pairing");
    expect((await get<DevicePairing>("device-pairing")).body.requests).toEqual([]);
    expect((await get<ChannelPairing>("pairing")).body.requests).toEqual([]);
  });

  it.each(["by exec", "by a newer controller"])(
    "%s is not undone by a list that was begun before it (scenario 41)",
    async (by) => {
      await waitFor("devices", "request-1", device("request-1"));
      const path = `/machines/${machine.machineId}/exec`;
      const held = await hold({ app: env.FLY_APP_NAME ?? "", method: "POST", path, when: "after" });
      const slow = get<DevicePairing>("device-pairing?refresh=true");
      await held.caught();
      if (by === "by a newer controller") await machine.remove("old");
      expect((await post("device-pairing/approve", { requestId: "request-1" })).body).toEqual({
        outcome: "approved",
      });
      await machine.write("old", true);
      await machine.remove("devices");
      await held.release();
      await slow;
      expect(await env.KV_CLAW_CACHE.get(entryKey("devices"))).toBeNull();
      expect(idsOf((await get<DevicePairing>("device-pairing")).body)).toEqual([]);
    },
  );

  it("that failed is told as such, and drops the lists all the same", async () => {
    await waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    await get("pairing");
    await machine.write("pairing/telegram/fails", "");
    const failed = await post("pairing/approve", { channel: "telegram", code: "H8VEC6RB" });
    expect(failed).toMatchObject({ status: 502, body: { code: "upstream_failed", reason: "cli_failed" } });
    expect(JSON.stringify(failed.body)).not.toContain("cannot reach");
    expect(await env.KV_CLAW_CACHE.get(entryKey("channels"))).toBeNull();
  });
});

describe("what fails on a machine with an older controller", () => {
  it("is one channel, which keeps its last good list, marked stale (scenario 44)", async () => {
    await waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    await waitFor("pairing/discord", "QQQQ2222", person("QQQQ2222"));
    const first = (await get<ChannelPairing>("pairing")).body;
    await machine.write("pairing/telegram/fails", "");
    await waitFor("pairing/discord", "RRRR2222", person("RRRR2222"));
    const second = (await get<ChannelPairing>("pairing?refresh=true")).body;
    expect(second.stale).toBe(true);
    expect(second.refreshedAt).toBe(first.refreshedAt);
    expect(second.channels).toEqual([
      { channel: "telegram", stale: true, refreshedAt: first.refreshedAt },
      { channel: "discord", stale: false, refreshedAt: expect.not.stringMatching(first.refreshedAt ?? "") },
    ]);
    expect(codesOf(second)).toEqual(["H8VEC6RB", "QQQQ2222", "RRRR2222"]);
  });

  it("is the whole list, which is then the last good one, marked stale, or none", async () => {
    await waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    const first = (await get<ChannelPairing>("pairing")).body;
    for (const channel of ["telegram", "discord"]) await machine.write(`pairing/${channel}/fails`, "");
    const second = (await get<ChannelPairing>("pairing?refresh=true")).body;
    expect(second).toMatchObject({ stale: true, refreshedAt: first.refreshedAt, requests: first.requests });
    expect(second.channels.map(({ stale }) => stale)).toEqual([true, true]);
    await forget();
    expect(await get("pairing")).toMatchObject({ status: 502, body: { reason: "cli_failed" } });
  });

  it("is refused by Fly, and none of its words get out (S02)", async () => {
    const lease = new URL(
      `/v1/apps/${env.FLY_APP_NAME}/machines/${machine.machineId}/lease`,
      inject("flyApiUrl"),
    );
    const headers = {
      authorization: `Bearer ${env.FLY_API_TOKEN}`,
      "content-type": "application/json",
    };
    const taken = await fetch(lease, { method: "POST", headers, body: JSON.stringify({ ttl: 60 }) });
    const { data } = await taken.json<{ data: { nonce: string } }>();
    const listed = await get("device-pairing");
    const approved = await post("device-pairing/approve", { requestId: "request-1" });
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
    await waitFor("devices", "request-1", device("request-1"));
    await get("device-pairing");
    const before = await machine.execs();
    await machine.remove("old");
    await machine.write("answers.json", {
      "GET /_kilo/pairing/devices": scripted,
      "POST /_kilo/pairing/devices/approve": scripted,
      "POST /_kilo/doctor": scripted,
      "GET /_kilo/version": scripted,
    });
    const answers = [
      await get("device-pairing"),
      await get("device-pairing?refresh=true"),
      await post("device-pairing/approve", { requestId: "request-1" }),
      await post("doctor", {}),
      await get("controller-version"),
    ];
    await machine.write("old", true);
    for (const { status, body } of answers) expect([status, body["reason"]]).toEqual([502, reason]);
    expect(await machine.execs()).toBe(before);
  });
});

describe("version and doctor of a machine with an older controller", () => {
  const doctor = async () => (await get("doctor")).body;
  const ended = async () => {
    await expect.poll(doctor, { timeout: 10_000 }).not.toMatchObject({ state: "running" });
  };

  it("are what OpenClaw's own commands tell", async () => {
    expect(await get("controller-version")).toMatchObject({
      status: 200,
      body: { controller: "unknown", capabilities: [], openclaw: null, openclawInstalled: "2026.2.26" },
    });
    expect(await doctor()).toMatchObject({ state: "never_run", startedAt: null });
    expect(await post("doctor", {})).toMatchObject({
      status: 202,
      body: { fix: false, startedAt: expect.any(String) },
    });
    await ended();
    expect(await doctor()).toMatchObject({
      state: "done",
      fix: false,
      exitCode: 0,
      endedAt: expect.any(String),
      output: expect.stringContaining("Doctor complete"),
    });
    await machine.write("doctor-fails", "");
    await post("doctor", { fix: true });
    await ended();
    expect(await doctor()).toMatchObject({
      state: "failed",
      fix: true,
      exitCode: 1,
      output: expect.stringContaining("Something is wrong."),
    });
    expect((await machine.cliCalls()).slice(1)).toEqual([
      ["doctor", "--non-interactive"],
      ["doctor", "--non-interactive", "--fix", "--yes"],
    ]);
  });

  it("keep the gateway's secrets to themselves (S01)", async () => {
    await post("doctor", {});
    await ended();
    expect((await doctor())["output"]).toContain("the password is [redacted].");
  });

  it("outlast an exec: a doctor goes on, is joined by the next, and is cancelled", async () => {
    await machine.write("doctor-hangs", "");
    const first = await post("doctor", { fix: true });
    expect(first).toMatchObject({ status: 202, body: { state: "running", fix: true, endedAt: null } });
    expect(await Promise.all([post("doctor", {}), post("doctor", {})])).toEqual([first, first]);
    expect(await doctor()).toEqual(first.body);
    await expect.poll(() => machine.cliCalls()).toHaveLength(1);
    const cancelled = await exports.KiloClawPlatform.cancelDoctor(USER);
    expect(cancelled).toMatchObject({ kind: "answered", value: { state: "cancelled", exitCode: null } });
    expect(await doctor()).toMatchObject({ state: "cancelled", fix: true });
    expect(await machine.cliCalls()).toHaveLength(1);
  });
});
