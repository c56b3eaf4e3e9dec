import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { flyList } from "./testing/client.ts";

const platform = exports.KiloClawPlatform;
const OPERATIONS = ["start", "stop", "restart", "destroy", "repair"] as const;

const viewOf = async (userId: string) => {
  const result = await platform.status(userId);
  return result.kind === "status" ? result.view : null;
};

const machineOf = async (userId: string) => {
  const machines = await flyList<{ state: string; config: { metadata: Record<string, string> } }>("machines");
  return machines.find(({ config }) => config.metadata["kiloclaw_user_id"] === userId);
};

describe("the platform's operations as RPC", () => {
  it("provision, start, restart, repair, stop and destroy an instance", async () => {
    const userId = "rpc-life";
    expect(await platform.provision({ userId, envVars: { FOO: "bar" } })).toEqual({
      kind: "provisioned",
      sandboxId: "cnBjLWxpZmU",
      status: "provisioned",
    });
    expect(await viewOf(userId)).toMatchObject({ userId, sandboxId: "cnBjLWxpZmU", status: "provisioned" });

    expect(await platform.start(userId)).toEqual({ kind: "settled", status: "running" });
    expect(await viewOf(userId)).toMatchObject({
      version: { controller: "stand-in", openclaw: "2026.9.6", at: expect.any(String) },
      drift: [],
    });
    const { flyMachineId } = (await viewOf(userId)) ?? {};
    expect(await platform.restart(userId)).toEqual({ kind: "settled", status: "running" });
    expect(await platform.repair(userId)).toEqual({ kind: "settled", status: "running" });
    expect(await viewOf(userId)).toMatchObject({ status: "running", flyMachineId });
    expect((await machineOf(userId))?.config.metadata["kiloclaw_generation"]).toBe("2");

    expect(await platform.stop(userId)).toEqual({ kind: "settled", status: "stopped" });
    expect((await machineOf(userId))?.state).toBe("stopped");
    expect(await platform.destroy(userId)).toEqual({ kind: "settled", status: "destroying" });
    expect(await viewOf(userId)).toMatchObject({ userId: null, status: null });
  });

  it("take a size and changed settings as the HTTP API does", async () => {
    const userId = "rpc-settings";
    await platform.provision({ userId, machineSize: { cpus: 4, memory_mb: 4_096 }, region: "fra" });
    await platform.provision({ userId, kilocodeDefaultModel: "some/model" });
    await platform.start(userId);
    expect(await viewOf(userId)).toMatchObject({ status: "running", flyRegion: "fra" });
    expect(await machineOf(userId)).toMatchObject({
      config: {
        guest: { cpus: 4, memory_mb: 4_096, cpu_kind: "shared" },
        env: { KILOCODE_DEFAULT_MODEL: "some/model" },
      },
    });
    await platform.destroy(userId);
  });

  it("tell what hinders an operation as a value", async () => {
    const userId = "rpc-degraded";
    await platform.provision({ userId, envVars: { STAND_IN: "degraded" } });
    expect(await platform.start(userId)).toMatchObject({
      kind: "hindered",
      status: "starting",
      code: "gateway_degraded",
      nextTryAt: expect.any(Number),
    });
    await platform.destroy(userId);
  });

  it("give as many events as are asked for, newest first, and never more than there may be", async () => {
    const userId = "rpc-events";
    await platform.provision({ userId });
    const kindsOf = async (limit?: number) => {
      const result = await platform.events(userId, limit);
      return result.kind === "events" ? result.events.map(({ what }) => what) : [];
    };
    expect(await kindsOf()).toEqual(["create_volume", "provision"]);
    expect(await kindsOf(1)).toEqual(["create_volume"]);
    for (const limit of [0, -5, Number.NaN, 1.9]) expect(await kindsOf(limit)).toEqual(["create_volume"]);
    for (const limit of [Number.POSITIVE_INFINITY, 1e9]) expect(await kindsOf(limit)).toHaveLength(2);
    await platform.destroy(userId);
  });

  it.each(OPERATIONS)("answer %s of a user without an instance as not provisioned", async (operation) => {
    expect(await platform[operation]("rpc-nobody")).toEqual({ kind: "not_provisioned" });
  });

  it("know nothing of a user without an instance", async () => {
    expect(new Set(Object.values((await viewOf("rpc-nobody")) ?? {}))).toEqual(new Set([null]));
    expect(await platform.events("rpc-nobody")).toEqual({ kind: "events", events: [] });
  });
});

describe("bad input over RPC", () => {
  it.each([
    ["no user", { userId: "" }, "userId"],
    ["a reserved variable", { userId: "rpc-bad", envVars: { LD_PRELOAD: "/x" } }, "envVars.LD_PRELOAD"],
    ["what is no model", { userId: "rpc-bad", kilocodeDefaultModel: "a model" }, "kilocodeDefaultModel"],
    [
      "what is no address of a provider",
      { userId: "rpc-bad", envVars: { KILOCODE_API_BASE_URL: "api.example" } },
      "envVars.KILOCODE_API_BASE_URL",
    ],
    ["a region of no such form", { userId: "rpc-bad", region: "Mars!" }, "region"],
    ["an unknown field", { userId: "rpc-bad", surprise: 1 }, ""],
  ])("refuses %s, names the field, and makes nothing", async (_what, request, path) => {
    expect(await platform.provision(request)).toMatchObject({ kind: "invalid_request", issues: [{ path }] });
    expect(await viewOf("rpc-bad")).toMatchObject({ status: null });
  });

  it("refuses a patch with what is no model", async () => {
    expect(await platform.configure("rpc-bad", { kilocodeDefaultModel: "a model" })).toMatchObject({
      kind: "invalid_request",
      issues: [{ path: "patch.kilocodeDefaultModel" }],
    });
  });

  it("is no reason to repeat a secret", async () => {
    const request = { userId: "rpc-bad", kilocodeApiKey: "sk-very-secret\0" };
    const refused = await platform.provision(request);
    expect(refused.kind).toBe("invalid_request");
    expect(JSON.stringify(refused)).not.toContain("sk-very-secret");
  });

  it.each([
    ["empty", ""],
    ["too long", "x".repeat(10_000)],
    ["half a character", "\ud800"],
  ])("refuses a user id that is %s, whatever is asked", async (_what, userId) => {
    for (const operation of [...OPERATIONS, "status", "events"] as const) {
      expect((await platform[operation](userId)).kind).toBe("invalid_request");
    }
  });
});
