import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ChannelPairing, DevicePairing } from "../gateway/wire.ts";
import { hold } from "../instance/testing/gate.ts";
import {
  codesOf,
  device,
  DEVICE_ID,
  idsOf,
  type OlderMachine,
  person,
  startOlderMachine,
} from "./testing/older-machine.ts";

let older: OlderMachine;

beforeAll(async () => {
  older = await startOlderMachine("older-approvals");
});
afterEach(() => older.clear());
afterAll(() => older.end());

describe("an approval on a machine with an older controller", () => {
  it("lets the device in, and takes it from the list", async () => {
    await older.waitFor("devices", "request-1", device("request-1"));
    await older.waitFor("devices", "request-2", device("request-2"));
    expect(idsOf((await older.get<DevicePairing>("device-pairing")).body)).toEqual([
      "request-1",
      "request-2",
    ]);
    expect(await older.post("device-pairing/approve", { requestId: "request-1" })).toEqual({
      status: 200,
      body: { outcome: "approved" },
    });
    expect(idsOf((await older.get<DevicePairing>("device-pairing")).body)).toEqual(["request-2"]);
    expect(await older.machine.gatewayCalls()).toContainEqual({
      method: "device.pair.approve",
      requestId: "request-1",
    });
    expect(await older.machine.cliCalls()).toEqual([]);
  });

  it("lets the device in by the command line where the gateway lets nobody in", async () => {
    await older.machine.write("locked", "");
    await older.waitFor("devices", "request-1", device("request-1"));
    const shown = (await older.get<DevicePairing>("device-pairing")).body;
    expect(idsOf(shown)).toEqual(["request-1"]);
    const approval = { requestId: "request-1", fingerprint: shown.requests[0]?.fingerprint };
    const answers = await Promise.all([
      older.post("device-pairing/approve", approval),
      older.post("device-pairing/approve", approval),
    ]);
    expect(answers.map(({ body }) => String(body["outcome"])).toSorted()).toEqual([
      "approved",
      "not_pending",
    ]);
    expect(await older.machine.cliCalls()).toContainEqual(["devices", "approve", "request-1", "--json"]);
    expect(await older.machine.gatewayCalls()).toEqual([]);
  });

  it.each([
    ["by the gateway", "cli_timeout"],
    ["by the command line", "cli_failed"],
  ])("that took effect %s, and was not answered, is told as unfinished", async (by, reason) => {
    if (by === "by the command line") await older.machine.write("locked", "");
    await older.machine.write("hangs-up", "");
    await older.waitFor("devices", "request-1", device("request-1"));
    expect(await older.post("device-pairing/approve", { requestId: "request-1" })).toMatchObject({
      status: 502,
      body: { code: "upstream_failed", reason },
    });
    expect(idsOf((await older.get<DevicePairing>("device-pairing")).body)).toEqual([]);
  });

  it("that grants more than was asked for is taken back, and told as such (M06)", async () => {
    await older.machine.write("generous", "");
    await older.waitFor("devices", "request-1", device("request-1"));
    expect(await older.post("device-pairing/approve", { requestId: "request-1" })).toMatchObject({
      status: 502,
      body: { reason: "granted_too_much" },
    });
    expect(await older.machine.gatewayCalls()).toContainEqual({
      method: "device.pair.remove",
      deviceId: DEVICE_ID,
    });
  });

  it("that grants more than was asked for, and can't be taken back, is told as that (M06)", async () => {
    await older.machine.write("generous", "");
    await older.machine.write("keeps", "");
    await older.waitFor("devices", "request-1", device("request-1"));
    expect(await older.post("device-pairing/approve", { requestId: "request-1" })).toMatchObject({
      status: 502,
      body: { reason: "granted_too_much_still" },
    });
  });

  it("grants a device that is known what it asks for beside what it had, and no more", async () => {
    const had = { deviceId: DEVICE_ID, role: "node", roles: ["node"], scopes: ["operator.approvals"] };
    await older.waitFor("paired", "known", had);
    await older.waitFor("devices", "request-1", device("request-1", { isRepair: true }));
    expect((await older.post("device-pairing/approve", { requestId: "request-1" })).body).toEqual({
      outcome: "approved",
    });
    expect((await older.machine.gatewayCalls()).map(({ method }) => method)).not.toContain(
      "device.pair.remove",
    );
    await older.machine.write("generous", "");
    await older.waitFor("devices", "request-2", device("request-2", { isRepair: true }));
    expect((await older.post("device-pairing/approve", { requestId: "request-2" })).body).toMatchObject({
      reason: "granted_too_much",
    });
  });

  it("lets the person in who has the code, and tells them", async () => {
    await older.waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    await older.waitFor("pairing/discord", "WORK2222", person("WORK2222", { meta: { accountId: "work" } }));
    expect(codesOf((await older.get<ChannelPairing>("pairing")).body)).toEqual(["H8VEC6RB", "WORK2222"]);
    for (const fields of [
      { channel: "telegram", code: "H8VEC6RB" },
      { channel: "discord", accountId: "work", code: "WORK2222" },
    ]) {
      expect((await older.post("pairing/approve", fields)).body).toEqual({ outcome: "approved" });
    }
    expect((await older.get<ChannelPairing>("pairing")).body.requests).toEqual([]);
    expect(await older.machine.cliCalls()).toEqual(
      expect.arrayContaining([
        ["pairing", "approve", "telegram", "H8VEC6RB", "--notify"],
        ["pairing", "approve", "discord", "WORK2222", "--account", "work", "--notify"],
      ]),
    );
  });

  it("is made once, however often it is asked for at a time (M08)", async () => {
    await older.waitFor("devices", "request-1", device("request-1"));
    await older.waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    for (const [path, fields] of [
      ["device-pairing/approve", { requestId: "request-1" }],
      ["pairing/approve", { channel: "telegram", code: "H8VEC6RB" }],
    ] as const) {
      const answers = await Promise.all([
        older.post(path, fields),
        older.post(path, fields),
        older.post(path, fields),
      ]);
      expect(answers.map(({ status, body }) => [status, body["outcome"]].join(" ")).toSorted()).toEqual([
        "200 approved",
        "200 not_pending",
        "200 not_pending",
      ]);
    }
  });

  it("is of just what the list showed, where it says so (M06)", async () => {
    await older.waitFor("devices", "request-1", device("request-1"));
    const shown = (await older.get<DevicePairing>("device-pairing")).body.requests[0];
    const approval = { requestId: "request-1", fingerprint: shown?.fingerprint };
    await older.waitFor("devices", "request-1", device("request-1", { scopes: ["operator.admin"] }));
    expect((await older.post("device-pairing/approve", approval)).body).toEqual({ outcome: "changed" });
    expect(idsOf((await older.get<DevicePairing>("device-pairing?refresh=true")).body)).toEqual([
      "request-1",
    ]);
    await older.waitFor("devices", "request-1", device("request-1"));
    expect((await older.post("device-pairing/approve", approval)).body).toEqual({ outcome: "approved" });
    expect((await older.post("device-pairing/approve", approval)).body).toEqual({ outcome: "not_pending" });
  });

  it("of a request that is another tenant's, or nobody's, finds none (M05)", async () => {
    await older.waitFor("devices", "request-1", device("request-1"));
    for (const requestId of ["5ed6b69d-0c1f-4b52-9a0e-2f4f7a1c9d11", "request-2"]) {
      expect((await older.post("device-pairing/approve", { requestId })).body).toEqual({
        outcome: "not_pending",
      });
    }
    expect(idsOf((await older.get<DevicePairing>("device-pairing")).body)).toEqual(["request-1"]);
  });

  it("of a request that only a newer controller can name finds none", async () => {
    const before = await older.machine.execs();
    const approval = { channel: "telegram", requestId: "T-o9Eyb" };
    expect((await older.post("pairing/approve", approval)).body).toEqual({ outcome: "not_pending" });
    expect(await older.machine.execs()).toBe(before);
  });

  it("drops what is kept of a list, also where a newer controller carried it out (scenario 42)", async () => {
    await older.waitFor("devices", "request-1", device("request-1"));
    await older.waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    await Promise.all([older.get("device-pairing"), older.get("pairing")]);
    await older.machine.remove("old");
    await older.post("device-pairing/approve", { requestId: "request-1" });
    await older.post("pairing/approve", { channel: "telegram", code: "H8VEC6RB" });
    for (const kind of ["devices", "channels"] as const) {
      expect(await env.KV_CLAW_CACHE.get(older.entryKey(kind))).toBeNull();
    }
    await older.machine.write("old", true);
    await older.machine.remove("devices");
    await older.machine.remove("pairing");
    expect((await older.get<DevicePairing>("device-pairing")).body.requests).toEqual([]);
    expect((await older.get<ChannelPairing>("pairing")).body.requests).toEqual([]);
  });

  it.each(["by exec", "by a newer controller"])(
    "%s is not undone by a list that was begun before it (scenario 41)",
    async (by) => {
      await older.waitFor("devices", "request-1", device("request-1"));
      const path = `/machines/${older.machine.machineId}/exec`;
      const held = await hold({ app: env.FLY_APP_NAME ?? "", method: "POST", path, when: "after" });
      const slow = older.get<DevicePairing>("device-pairing?refresh=true");
      await held.caught();
      if (by === "by a newer controller") await older.machine.remove("old");
      expect((await older.post("device-pairing/approve", { requestId: "request-1" })).body).toEqual({
        outcome: "approved",
      });
      await older.machine.write("old", true);
      await older.machine.remove("devices");
      await held.release();
      await slow;
      expect(await env.KV_CLAW_CACHE.get(older.entryKey("devices"))).toBeNull();
      expect(idsOf((await older.get<DevicePairing>("device-pairing")).body)).toEqual([]);
    },
  );

  it("that failed is told as such, and drops the lists all the same", async () => {
    await older.waitFor("pairing/telegram", "H8VEC6RB", person("H8VEC6RB"));
    await older.get("pairing");
    await older.machine.write("pairing/telegram/fails", "");
    const failed = await older.post("pairing/approve", { channel: "telegram", code: "H8VEC6RB" });
    expect(failed).toMatchObject({ status: 502, body: { code: "upstream_failed", reason: "cli_failed" } });
    expect(JSON.stringify(failed.body)).not.toContain("cannot reach");
    expect(await env.KV_CLAW_CACHE.get(older.entryKey("channels"))).toBeNull();
  });
});
