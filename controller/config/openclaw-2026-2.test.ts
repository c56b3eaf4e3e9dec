import { describe, expect, it } from "vitest";
import type { JsonObject } from "./json.ts";
import type { ManagedInputs } from "./managed.ts";
import { applyTo2026Dot2 } from "./openclaw-2026-2.ts";

const bare: ManagedInputs = {
  gatewayPort: 18_790,
  allowedOrigins: ["https://claw.kilo.ai"],
  model: null,
  channels: { telegram: false, discord: false, slack: false },
  workspace: "/root/.openclaw/workspace",
  logFile: "/root/.openclaw/logs/openclaw.log",
};
const everything: ManagedInputs = {
  ...bare,
  model: { baseUrl: "https://models.example/v1", id: "vendor/model" },
  channels: { telegram: true, discord: true, slack: true },
};

describe("the configuration for 2026.2.26", () => {
  it("lets in by the owner's header alone, and has no password, which this version would not take", () => {
    const hostile: JsonObject = {
      gateway: {
        bind: "lan",
        auth: { mode: "token", token: "theirs", password: "theirs", rateLimit: { maxAttempts: 3 } },
        trustedProxies: ["0.0.0.0/0"],
        controlUi: {
          allowedOrigins: ["*"],
          allowInsecureAuth: true,
          dangerouslyDisableDeviceAuth: true,
        },
        tailscale: { mode: "funnel" },
      },
    };
    expect(applyTo2026Dot2(hostile, bare)["gateway"]).toEqual({
      mode: "local",
      port: 18_790,
      bind: "loopback",
      auth: {
        mode: "trusted-proxy",
        allowTailscale: false,
        trustedProxy: { userHeader: "${OPENCLAW_KILOCLAW_OWNER_HEADER}", allowUsers: ["Owner"] },
        rateLimit: { maxAttempts: 3 },
      },
      trustedProxies: ["127.0.0.1/32", "::1/128"],
      controlUi: { enabled: true, allowedOrigins: ["https://claw.kilo.ai"] },
    });
  });

  it("has no plugin entries, since this version brings its channels along", () => {
    const config = applyTo2026Dot2({}, everything);
    expect(config).not.toHaveProperty("plugins");
    expect(config).not.toHaveProperty("telemetry");
    expect(Object.keys(config["channels"] ?? {})).toEqual(["telegram", "discord", "slack"]);
  });

  it("names the secrets, which it has from the environment, and goes without them again", () => {
    const config = applyTo2026Dot2({ channels: { telegram: { dmPolicy: "allowlist" } } }, everything);
    expect(config).toMatchObject({
      models: { mode: "replace", providers: { kilocode: { apiKey: "KILOCODE_API_KEY" } } },
      channels: { telegram: { botToken: "${TELEGRAM_BOT_TOKEN}", dmPolicy: "allowlist" } },
    });
    const without = applyTo2026Dot2(config, bare);
    expect(without).not.toHaveProperty("channels");
    expect(without).not.toHaveProperty(["models", "providers"]);
    const theirs: JsonObject = { channels: { discord: { token: "their-own" } } };
    expect(applyTo2026Dot2(theirs, bare)).toMatchObject(theirs);
  });

  it("keeps what the user has in this version's own words, and is changed no further by a second pass", () => {
    const user: JsonObject = {
      canvasHost: { enabled: false },
      meta: { lastTouchedVersion: "2026.2.26", lastTouchedAt: "2026-11-20T00:00:00.000Z" },
      gateway: { reload: { mode: "hot" }, channelHealthCheckMinutes: 10 },
      channels: { telegram: { streaming: true } },
      logging: { redactSensitive: "tools" },
    };
    const once = applyTo2026Dot2(user, everything);
    expect(once).toMatchObject(user);
    expect(applyTo2026Dot2(once, everything)).toEqual(once);
  });
});
