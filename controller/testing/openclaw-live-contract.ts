import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import { configReportSchema, envAppliedSchema, type EnvApplied } from "../../src/gateway/wire.ts";
import { gatewayPaths } from "../environment.ts";
import { environmentOf } from "../gateway/environ.ts";
import { startController } from "./controller-process.ts";
import type { Stage } from "./openclaw-stage.ts";

const channelsSchema = z.object({
  channels: z.record(z.string(), z.looseObject({ configured: z.boolean().optional() })),
});
/** A process that begins on a busy computer, and compiles. */
const TIMEOUT_MS = 150_000;

/**
 * How a running gateway of every version is brought to other settings. The tests go on from one another, after all others.
 *
 * @param secrets how it comes by another key or token
 */
export function describeLiveSettings(stage: Stage, secrets: "hot" | "gateway_restart"): void {
  const { controller, model, throughController } = stage;
  let generation = 1;

  const update = async (settings: Record<string, string>): Promise<EnvApplied> => {
    generation += 1;
    const response = await controller().kilo("/env", {
      method: "PUT",
      body: { generation, settings, stored: settings },
    });
    return envAppliedSchema.parse(await response.json());
  };
  const call = async (method: string, params: Record<string, unknown> = {}): Promise<unknown> => {
    const connection = await throughController({});
    if (connection.kind !== "connected") throw new Error(JSON.stringify(connection));
    try {
      return await connection.call(method, params);
    } finally {
      connection.close();
    }
  };
  const chat = async (): Promise<unknown> => {
    const before = model().asked.length;
    await call("chat.send", { sessionKey: "main", message: "ping", idempotencyKey: `chat-${generation}` });
    await expect.poll(() => model().asked.length, { timeout: 30_000 }).toBeGreaterThan(before);
    return model().asked.at(-1);
  };
  const variable = async (name: string): Promise<string | undefined> => {
    const { pid } = await controller().gateway("status");
    return (await environmentOf(pid ?? 0))?.[name];
  };
  const settings: Record<string, string> = {};

  it(
    "says of the settings that it has that nothing has changed, and that they are in effect",
    async () => {
      Object.assign(settings, stage.settings());
      expect(await update(settings)).toEqual({ generation, how: "unchanged", inEffect: true });
      expect(await chat()).toEqual({ key: "canary-model-key", model: "vendor/model" });
    },
    TIMEOUT_MS,
  );

  it(
    "takes another key and another token, and uses them",
    async () => {
      Object.assign(settings, {
        KILOCODE_API_KEY: "canary-second-key",
        TELEGRAM_BOT_TOKEN: "123456:canary-second-token",
      });
      const { pid } = await controller().gateway("status");
      expect(await update(settings)).toEqual({ generation, how: secrets, inEffect: true });
      expect(await chat()).toMatchObject({ key: "canary-second-key" });
      expect((await controller().gateway("status")).pid === pid).toBe(secrets === "hot");
      expect(await variable("TELEGRAM_BOT_TOKEN")).toBe(
        secrets === "hot" ? undefined : "123456:canary-second-token",
      );
    },
    TIMEOUT_MS,
  );

  it(
    "takes another default model while it runs",
    async () => {
      settings["KILOCODE_DEFAULT_MODEL"] = "vendor/second";
      expect(await update(settings)).toEqual({ generation, how: "hot", inEffect: true });
      // A conversation keeps its model, and a new one has the default.
      const status = z.object({ sessions: z.object({ defaults: z.object({ model: z.string() }) }) });
      expect(status.parse(await call("status")).sessions.defaults.model).toBe("vendor/second");
    },
    TIMEOUT_MS,
  );

  it(
    "has no channel any more whose token is gone, in its file and in its process, and another key with it",
    async () => {
      delete settings["TELEGRAM_BOT_TOKEN"];
      settings["KILOCODE_API_KEY"] = "canary-third-key";
      expect(await update(settings)).toEqual({ generation, how: secrets, inEffect: true });
      const { channels } = channelsSchema.parse(await call("channels.status"));
      expect(channels["telegram"]?.configured ?? false).toBe(false);
      const file = await readFile(gatewayPaths(controller().home).configFile, "utf8");
      expect(JSON.parse(file)).not.toHaveProperty("channels");
      expect(await variable("TELEGRAM_BOT_TOKEN")).toBeUndefined();
      const report = configReportSchema.parse(await (await controller().kilo("/config")).json());
      expect(report).toMatchObject({ kind: "written", channels: [], model: "vendor/second" });
      expect(await chat()).toMatchObject({ key: "canary-third-key" });
    },
    TIMEOUT_MS,
  );

  it(
    "has other variables by another process",
    async () => {
      settings["MY_SETTING"] = "mine";
      expect(await update(settings)).toEqual({ generation, how: "gateway_restart", inEffect: true });
      expect(await variable("MY_SETTING")).toBe("mine");
    },
    TIMEOUT_MS,
  );

  it(
    "leaves a gateway down that its owner has stopped, which has the settings when it is started",
    async () => {
      await controller().gateway("stop");
      await controller().reached("stopped");
      settings["MY_SETTING"] = "other";
      expect(await update(settings)).toEqual({ generation, how: "gateway_restart", inEffect: false });
      expect((await controller().gateway("status")).state).toBe("stopped");
      await controller().gateway("start");
      await controller().reached("running");
      expect(await variable("MY_SETTING")).toBe("other");
    },
    TIMEOUT_MS,
  );

  it(
    "has the channel again with a token",
    async () => {
      settings["TELEGRAM_BOT_TOKEN"] = "123456:canary-third-token";
      expect(await update(settings)).toEqual({ generation, how: secrets, inEffect: true });
      const { channels } = channelsSchema.parse(await call("channels.status"));
      expect(channels["telegram"]?.configured).toBe(true);
    },
    TIMEOUT_MS,
  );

  it("refuses settings of an older generation, and such as can't be used", async () => {
    const put = (body: unknown): Promise<Response> => controller().kilo("/env", { method: "PUT", body });
    const older = await put({ generation: 1, settings: {}, stored: {} });
    expect([older.status, await older.json()]).toMatchObject([409, { code: "stale_generation" }]);
    const unusable = { ...settings, KILOCODE_DEFAULT_MODEL: "no model" };
    expect((await put({ generation: generation + 1, settings: unusable, stored: unusable })).status).toBe(
      400,
    );
    expect((await put({ generation: "9", settings })).status).toBe(400);
    expect(await variable("MY_SETTING")).toBe("other");
  });

  const given = [
    "canary-model-key",
    "canary-telegram-token",
    "canary-second-key",
    "canary-second-token",
    "canary-third-key",
    "canary-third-token",
  ];

  it("shows none of the secrets in its log, or in what it tells of the gateway's", async () => {
    const told = await (await controller().kilo("/gateway/logs?limit=1000")).text();
    const log = JSON.stringify(controller().log);
    for (const secret of given) for (const text of [log, told]) expect(text).not.toContain(secret);
  });

  it(
    "leaves none of the secrets on the volume, but for the settings that it keeps",
    async () => {
      const { home } = controller();
      const entries = await readdir(home, { recursive: true, withFileTypes: true });
      const files = entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));
      const found = new Set<string>();
      for (const file of files) {
        // One that the gateway has just removed holds nothing any more.
        const bytes = await readFile(file).catch(() => Buffer.alloc(0));
        if (given.some((secret) => bytes.includes(secret))) found.add(file);
      }
      expect(files.length).toBeGreaterThan(10);
      expect([...found]).toEqual([gatewayPaths(home).settingsFile]);
    },
    TIMEOUT_MS,
  );

  it(
    "has them after a restart of the machine, whose environment is older",
    async () => {
      await controller().end();
      await using again = await startController({ ...stage.options(), after: controller() });
      await again.reached("running");
      const { pid } = await again.gateway("status");
      const env = await environmentOf(pid ?? 0);
      expect(env?.["MY_SETTING"]).toBe("other");
      const report = configReportSchema.parse(await (await again.kilo("/config")).json());
      expect(report).toMatchObject({ channels: ["telegram"], model: "vendor/second" });
    },
    TIMEOUT_MS,
  );
}
