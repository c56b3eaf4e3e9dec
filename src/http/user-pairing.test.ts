import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { insertUser, ORIGIN, platform, request, signedIn } from "./testing/client.ts";
import { HOSTILE_NAMES } from "./testing/hostile-names.ts";
import { type StandIn, startStandIn } from "./testing/stand-in.ts";

const USER = "doorkeeper";
const PATHS = ["pairing", "device-pairing"] as const;
let session: Record<string, string>;
let machine: StandIn;

beforeAll(async () => {
  await insertUser(USER);
  await insertUser("keeps-no-door");
  session = await signedIn(USER);
  machine = await startStandIn(USER);
});

afterAll(async () => {
  await platform("destroy", { userId: USER });
});

const get = (path: string, headers = session) => request(`/api/kiloclaw/${path}`, { headers });
const approve = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  request(`/api/kiloclaw/${path}/approve`, {
    method: "POST",
    headers: { ...session, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

describe("who waits to be let in, for the owner", () => {
  it("is shown, from the owner's own machine", async () => {
    for (const path of PATHS) {
      const list = await get(path);
      expect([list.status, list.headers.get("cache-control")]).toEqual([200, "no-store"]);
      expect(await list.json()).toMatchObject({ requests: [], stale: false });
    }
    await get("device-pairing?refresh=true");
    expect((await machine.asked()).at(-1)).toMatchObject({
      place: "GET /_kilo/pairing/devices",
      search: "?refresh=true",
    });
  });

  it("is let in by the owner's word", async () => {
    const channel = await approve("pairing", { channel: "telegram", code: "ABCD2345" }, { origin: ORIGIN });
    expect([channel.status, await channel.json()]).toEqual([200, { outcome: "approved" }]);
    const fingerprint = "0f".repeat(32);
    const device = await approve("device-pairing", { requestId: "abc-1", fingerprint });
    expect([device.status, await device.json()]).toEqual([200, { outcome: "approved" }]);
    expect((await machine.asked()).slice(-2).map(({ body }) => body)).toEqual([
      '{"channel":"telegram","code":"ABCD2345"}',
      `{"requestId":"abc-1","fingerprint":"${fingerprint}"}`,
    ]);
    expect(JSON.stringify(await machine.asked())).not.toContain(session["cookie"]);
  });

  it("is not let in by a page of another origin", async () => {
    const before = (await machine.asked()).length;
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null", "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ]) {
      expect((await approve("pairing", { channel: "telegram", code: "ABCD2345" }, headers)).status).toBe(403);
      expect((await approve("device-pairing", { requestId: "abc-1" }, headers)).status).toBe(403);
    }
    expect(await machine.asked()).toHaveLength(before);
  });

  it.each(HOSTILE_NAMES)("is not let in by the name of %s (M05)", async (_what, hostile) => {
    const before = (await machine.asked()).length;
    expect((await approve("device-pairing", { requestId: hostile })).status).toBe(400);
    expect((await approve("pairing", { channel: "telegram", requestId: hostile })).status).toBe(400);
    expect((await approve("pairing", { channel: hostile, code: "ABCD2345" })).status).toBe(400);
    expect(await machine.asked()).toHaveLength(before);
  });

  it("is asked of nobody else's machine: the session says whose, and no field does", async () => {
    const other = await approve("device-pairing", { requestId: "abc-1", userId: "somebody" });
    expect(other.status).toBe(400);
    const headers = await signedIn("keeps-no-door");
    for (const path of PATHS) {
      expect((await get(`${path}?userId=${USER}`, headers)).status).toBe(404);
      expect((await get(path, {})).status).toBe(401);
    }
  });

  it("is told that nothing runs, while nothing does", async () => {
    await platform("stop", { userId: USER });
    const list = await get("pairing");
    expect([list.status, list.headers.get("retry-after")]).toEqual([503, "60"]);
    expect(await list.json()).toMatchObject({ code: "not_running" });
    expect((await approve("device-pairing", { requestId: "abc-1" })).status).toBe(503);
  });

  it("has no other methods", async () => {
    const wrong = await get("pairing/approve");
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"]);
  });
});
