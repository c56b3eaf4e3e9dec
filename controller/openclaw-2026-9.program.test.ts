import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startController } from "./testing/controller-process.ts";
import { describeCare } from "./testing/openclaw-care.ts";
import { OPERATOR_SCOPES } from "./testing/openclaw-client.ts";
import { describeContract } from "./testing/openclaw-contract.ts";
import { secrets, THROUGH_WORKER } from "./testing/openclaw-stage.ts";
import { describeLiveSettings } from "./testing/openclaw-live-contract.ts";

const stage = describeContract({
  version: "2026.9.6",
  controlUi: { id: "openclaw-control-ui", mode: "ui", buildId: "dev" },
  scopesTold: OPERATOR_SCOPES,
  unforwarded: { kind: "refused", reason: "proxy_attribution_required" },
  // OpenClaw's apps of its own are as good as a browser to it, once the proxy vouches for the person.
  phone: { kind: "connected" },
  ownProgram: { password: secrets.password },
  validate: ["config", "validate", "--json"],
});

const { controller, openClawDir, throughController } = stage;

describe("2026.9.6 besides", () => {
  it("fetches nothing from a registry before it listens", async () => {
    const logs = join(controller().home, ".npm", "_logs");
    const names = existsSync(logs) ? await readdir(logs) : [];
    for (const name of names) expect(await readFile(join(logs, name), "utf8")).not.toContain("http fetch");
    expect(existsSync(join(controller().home, ".openclaw", "npm"))).toBe(false);
  });

  it("has its terminal off, and tells of itself to nobody on loopback", async () => {
    const page = await fetch(controller().url, { headers: THROUGH_WORKER });
    expect(await page.text()).toContain('data-openclaw-terminal-enabled="false"');
    const path = "/__openclaw/control-ui-config.json";
    expect((await fetch(controller().url + path, { headers: THROUGH_WORKER })).status).toBe(200);
    expect((await fetch(controller().gatewayUrl + path)).status).toBe(401);
  });

  it("knows the owner by a plain word", async () => {
    const connection = await throughController({});
    if (connection.kind !== "connected") throw new Error(JSON.stringify(connection));
    expect(await connection.call("users.self")).toMatchObject({ profile: { displayName: "owner" } });
    connection.close();
  });

  it("starts on a configuration that 2026.2.26 wrote, and keeps what the user set there", async () => {
    await using taken = await startController({
      openClawDir: openClawDir(),
      prepare: async (home) => {
        await mkdir(join(home, ".openclaw"));
        await writeFile(join(home, ".openclaw", "openclaw.json"), JSON.stringify(OF_2026_2));
      },
    });
    await taken.reached("running");
    expect((await taken.gateway("status")).failuresInARow).toBe(0);
    const config: unknown = JSON.parse(
      await readFile(join(taken.home, ".openclaw", "openclaw.json"), "utf8"),
    );
    expect(config).toMatchObject({
      session: { dmScope: "per-channel-peer" },
      channels: {
        telegram: {
          streaming: { mode: "partial", chunkMode: "newline", block: { enabled: true } },
          groupPolicy: "allowlist",
        },
        discord: { dmPolicy: "allowlist", allowFrom: ["1"] },
      },
    });
    expect(config).not.toHaveProperty("canvasHost");
  }, 120_000);
});

describeCare(stage, "2026.9.6");
describeLiveSettings(stage, "hot");

/** Each of these but the last two is refused or moved by 2026.9.6 (openclaw-gateway.md §5.3, §5.4; measured). */
const OF_2026_2 = {
  meta: { lastTouchedVersion: "2026.2.26", lastTouchedAt: "2026-11-20T08:00:00.000Z" },
  canvasHost: { enabled: false },
  logging: { redactSensitive: "tools" },
  gateway: {
    reload: { mode: "hot", debounceMs: 300 },
    channelHealthCheckMinutes: 5,
    controlUi: { allowInsecureAuth: true, dangerouslyDisableDeviceAuth: true },
  },
  agents: {
    list: [{ id: "main", default: true }],
    defaults: { memorySearch: { enabled: false } },
  },
  channels: {
    telegram: {
      enabled: false,
      streaming: true,
      chunkMode: "newline",
      blockStreaming: true,
      groupPolicy: "allowlist",
    },
    discord: { enabled: false, streaming: "partial", dm: { policy: "allowlist", allowFrom: ["1"] } },
  },
  session: { dmScope: "per-channel-peer" },
};
