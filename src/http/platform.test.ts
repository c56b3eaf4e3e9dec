import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { flyList, platform, platformGet, request } from "./testing/client.ts";

type FlyMachine = {
  name: string;
  state: string;
  config: { metadata: Record<string, string>; mounts: { volume: string }[] };
};
type FlyVolume = { id: string; name: string; state: string };

const machinesOf = async (sandboxId: string) =>
  (await flyList<FlyMachine>("machines")).filter(
    ({ name, state }) => name === sandboxId && state !== "destroyed",
  );

const statusOf = async (userId: string) =>
  (await platformGet(`status?userId=${userId}`)).json<Record<string, unknown>>();

describe("the life of an instance", () => {
  it("is provisioned, started, restarted, stopped, started and destroyed", async () => {
    const userId = "life";
    const provisioned = await platform("provision", { userId, envVars: { FOO: "bar" } });
    expect(provisioned.status).toBe(201);
    const { sandboxId } = await provisioned.json<{ sandboxId: string }>();
    expect(sandboxId).toBe("bGlmZQ");
    expect(await statusOf(userId)).toMatchObject({
      userId,
      sandboxId,
      status: "provisioned",
      flyMachineId: null,
      flyVolumeId: expect.stringMatching(/^vol_/),
      flyRegion: "ams",
      lastError: null,
    });

    const started = await platform("start", { userId });
    expect([started.status, await started.json()]).toEqual([200, { ok: true, status: "running" }]);
    const [machine, ...others] = await machinesOf(sandboxId);
    expect(others).toEqual([]);
    const running = await statusOf(userId);
    expect(machine).toMatchObject({
      state: "started",
      config: {
        mounts: [{ volume: running["flyVolumeId"], path: "/root" }],
        metadata: { kiloclaw_user_id: userId, kiloclaw_sandbox_id: sandboxId, kiloclaw_generation: "1" },
      },
    });

    expect((await platform("restart", { userId })).status).toBe(200);
    expect((await machinesOf(sandboxId))[0]?.config.metadata["kiloclaw_generation"]).toBe("2");

    const stopped = await platform("stop", { userId });
    expect([stopped.status, await stopped.json()]).toEqual([200, { ok: true, status: "stopped" }]);
    expect((await machinesOf(sandboxId))[0]?.state).toBe("stopped");

    expect((await platform("start", { userId })).status).toBe(200);
    expect((await statusOf(userId))["flyMachineId"]).toBe(running["flyMachineId"]);

    const destroyed = await platform("destroy", { userId });
    expect([destroyed.status, await destroyed.json()]).toEqual([200, { ok: true, status: "destroying" }]);
    expect(await machinesOf(sandboxId)).toEqual([]);
    const volumes = await flyList<FlyVolume>("volumes");
    expect(volumes.find(({ id }) => id === running["flyVolumeId"])?.state).not.toBe("created");
    const after = await statusOf(userId);
    expect(new Set(Object.values(after))).toEqual(new Set([null]));
    expect((await platform("start", { userId })).status).toBe(404);
  });

  it("tells from its own log what was done and why", async () => {
    const userId = "events";
    await platform("provision", { userId });
    await platform("start", { userId });
    const { events } = await (
      await platformGet(`events?userId=${userId}`)
    ).json<{ events: { kind: string; what: string }[] }>();
    expect(events.map(({ kind, what }) => `${kind} ${what}`).toReversed()).toEqual([
      "operation provision",
      "step create_volume",
      "operation start",
      "step create_machine",
      "status running",
      "step ask_version",
    ]);
    await platform("destroy", { userId });
  });

  it("makes one machine of many starts at once", async () => {
    const userId = "double-click";
    await platform("provision", { userId });
    const answers = await Promise.all(Array.from({ length: 8 }, () => platform("start", { userId })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(await machinesOf("ZG91YmxlLWNsaWNr")).toHaveLength(1);
    await platform("destroy", { userId });
  });

  it("lets the newest wish win: a destroy during a start leaves nothing behind", async () => {
    const userId = "second-thoughts";
    const { sandboxId } = await (await platform("provision", { userId })).json<{ sandboxId: string }>();
    const starting = platform("start", { userId });
    const destroyed = await platform("destroy", { userId });
    expect(destroyed.status).toBe(200);
    await starting;
    expect(await machinesOf(sandboxId)).toEqual([]);
    expect((await statusOf(userId))["status"]).toBeNull();
  });

  it("says where a gateway failed that can't get ready, at once", async () => {
    const userId = "degraded";
    await platform("provision", { userId, envVars: { STAND_IN: "degraded" } });
    const started = await platform("start", { userId });
    expect(started.status).toBe(502);
    expect(await started.json()).toMatchObject({
      code: "upstream_failed",
      reason: "gateway_degraded",
      instanceStatus: "starting",
    });
    expect(await statusOf(userId)).toMatchObject({
      status: "starting",
      lastError: { code: "gateway_degraded" },
    });
    await platform("destroy", { userId });
  });

  it("takes changed settings over when they are provisioned again", async () => {
    const userId = "changed";
    await platform("provision", { userId, envVars: { STAND_IN: "degraded" } });
    await platform("provision", { userId, envVars: { STAND_IN: "ready" } });
    expect((await platform("start", { userId })).status).toBe(200);
    await platform("destroy", { userId });
  });
});

describe("bad input", () => {
  it.each([
    ["no body", undefined, 400, "invalid_request"],
    ["no user", {}, 400, "invalid_request"],
    ["an empty user", { userId: "" }, 400, "invalid_request"],
    ["a user id of 10 kB", { userId: "x".repeat(10_000) }, 400, "invalid_request"],
    ["half a surrogate pair", { userId: "\ud800" }, 400, "invalid_request"],
    ["an unknown field", { userId: "bad", surprise: 1 }, 400, "invalid_request"],
    ["a reserved variable", { userId: "bad", envVars: { LD_PRELOAD: "/x" } }, 400, "invalid_request"],
    ["a variable of ours", { userId: "bad", envVars: { KILOCLAW_PROXY_TOKEN: "x" } }, 400, "invalid_request"],
    ["a lower-case variable", { userId: "bad", envVars: { path: "x" } }, 400, "invalid_request"],
    [
      "a size that Fly has not",
      { userId: "bad", machineSize: { cpus: 2, memory_mb: 1_000 } },
      400,
      "invalid_request",
    ],
    ["what is no model", { userId: "bad", kilocodeDefaultModel: "a model" }, 400, "invalid_request"],
    [
      "what is no address of a provider",
      { userId: "bad", envVars: { KILOCODE_API_BASE_URL: "file:///etc/passwd" } },
      400,
      "invalid_request",
    ],
    ["a region of no such form", { userId: "bad", region: "Mars!" }, 400, "invalid_request"],
  ])("refuses %s and makes nothing", async (_what, body, status, code) => {
    const answer = await platform("provision", body);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(await answer.json()).toMatchObject({ code });
    expect(await statusOf("bad")).toMatchObject({ status: null });
  });

  it("names the field that is wrong, and not its value", async () => {
    const body = { userId: "bad", kilocodeApiKey: ["sk-very-secret"] };
    const text = await (await platform("provision", body)).text();
    expect(text).toContain("kilocodeApiKey");
    expect(text).not.toContain("sk-very-secret");
  });

  it("takes JSON only as JSON, and no more than it can use", async () => {
    const headers = { "x-internal-api-key": env.INTERNAL_API_SECRET ?? "" };
    const send = (type: string, body: string) =>
      request("/api/platform/start", { method: "POST", headers: { ...headers, "content-type": type }, body });
    expect((await send("text/plain", '{"userId":"a"}')).status).toBe(415);
    expect((await send("application/json", "{")).status).toBe(400);
    expect((await send("application/json", JSON.stringify({ userId: "x".repeat(300_000) }))).status).toBe(
      413,
    );
  });

  it.each(["start", "stop", "restart", "destroy", "repair"])(
    "answers %s of a user without an instance as not provisioned",
    async (operation) => {
      const answer = await platform(operation, { userId: "nobody" });
      expect([answer.status, (await answer.json<{ code: string }>()).code]).toEqual([404, "not_provisioned"]);
    },
  );

  it("is all null for an unknown user, and stores nothing for one", async () => {
    const status = await statusOf("stranger");
    expect(Object.keys(status)).toContain("flyMachineId");
    expect(new Set(Object.values(status))).toEqual(new Set([null]));
    const stored = await runInDurableObject(
      env.KILOCLAW_INSTANCE.getByName("stranger"),
      async (_instance, { storage }) => ({
        keys: [...(await storage.list()).keys()],
        alarm: await storage.getAlarm(),
        tables: storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
      }),
    );
    expect(stored).toEqual({ keys: [], alarm: null, tables: [] });
  });

  it("lets in nobody without the internal key", async () => {
    const secret = env.INTERNAL_API_SECRET ?? "";
    const ask = (headers: Record<string, string>) => request("/api/platform/status?userId=a", { headers });
    expect((await ask({})).status).toBe(401);
    for (const wrong of ["", secret.slice(0, -1), `${secret}x`, secret.toUpperCase()]) {
      expect((await ask({ "x-internal-api-key": wrong })).status).toBe(403);
    }
    expect((await ask({ "x-internal-api-key": secret })).status).toBe(200);
  });

  it("has no other routes or methods", async () => {
    const wrongMethod = await platformGet("start");
    expect([wrongMethod.status, wrongMethod.headers.get("allow")]).toEqual([405, "POST"]);
    expect((await platformGet("nonsense")).status).toBe(404);
  });
});
