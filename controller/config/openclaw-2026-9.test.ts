import { describe, expect, it } from "vitest";
import type { JsonObject } from "./json.ts";
import type { ManagedInputs } from "./managed.ts";
import { applyTo2026Dot9 } from "./openclaw-2026-9.ts";

const bare: ManagedInputs = {
  gatewayPort: 18_790,
  allowedOrigins: ["https://claw.kilo.ai"],
  model: null,
  channels: { telegram: false, discord: false, slack: false },
  workspace: "/root/.openclaw/workspace",
  logFile: "/root/.openclaw/logs/openclaw.log",
};
const withModel: ManagedInputs = {
  ...bare,
  model: { baseUrl: "https://models.example/v1", id: "vendor/model" },
};
const withChannels: ManagedInputs = { ...bare, channels: { telegram: true, discord: true, slack: true } };

describe("access", () => {
  it("is ours, whatever the file said before", () => {
    const hostile: JsonObject = {
      gateway: {
        bind: "lan",
        auth: { mode: "none", token: "theirs", rateLimit: { maxAttempts: 3 } },
        trustedProxies: ["0.0.0.0/0"],
        controlUi: { allowedOrigins: ["*"], dangerouslyAllowHostHeaderOriginFallback: true, basePath: "/x" },
        terminal: { enabled: true, shell: "/bin/sh" },
        nodes: {
          pairing: { autoApproveLocal: true, autoApproveCidrs: ["0.0.0.0/0"] },
          commands: { deny: ["x"] },
        },
        tls: { enabled: true },
        tailscale: { mode: "funnel" },
        allowRealIpFallback: true,
      },
    };
    expect(applyTo2026Dot9(hostile, bare)["gateway"]).toEqual({
      mode: "local",
      port: 18_790,
      bind: "loopback",
      auth: {
        mode: "trusted-proxy",
        password: "${OPENCLAW_GATEWAY_PASSWORD}",
        allowTailscale: false,
        rateLimit: { maxAttempts: 3 },
        identityScopes: { Owner: ["operator.admin"] },
        trustedProxy: {
          userHeader: "${OPENCLAW_KILOCLAW_OWNER_HEADER}",
          allowUsers: ["Owner"],
          allowLoopback: true,
          deviceAutoApprove: {
            enabled: true,
            scopes: [
              "operator.read",
              "operator.write",
              "operator.approvals",
              "operator.pairing",
              "operator.questions",
            ],
          },
        },
      },
      trustedProxies: ["127.0.0.1/32", "::1/128"],
      controlUi: { enabled: true, allowedOrigins: ["https://claw.kilo.ai"] },
      terminal: { enabled: false, shell: "/bin/sh" },
      nodes: { pairing: { autoApproveLocal: false, sshVerify: false }, commands: { deny: ["x"] } },
    });
  });
});

describe("the user's own", () => {
  it("stays, also where ours has a default", () => {
    const user: JsonObject = {
      agents: {
        defaults: { heartbeat: { every: "30m" }, workspace: "/root/work" },
        entries: { helper: { name: "Helper" } },
      },
      channels: { telegram: { botToken: "their-own", dmPolicy: "open" }, matrix: { enabled: true } },
      models: { providers: { ollama: { baseUrl: "http://127.0.0.1:11434" } } },
      browser: { enabled: true },
      custom: [1, { two: null }],
    };
    expect(applyTo2026Dot9(user, withModel)).toMatchObject(user);
  });

  it("is changed no further by a second pass", () => {
    for (const inputs of [bare, withModel, withChannels]) {
      const once = applyTo2026Dot9({ mine: true }, inputs);
      expect(applyTo2026Dot9(once, inputs)).toEqual(once);
    }
  });
});

describe("the model", () => {
  const model = (config: JsonObject): unknown => config["agents"];

  it("is the default where none is chosen, and follows ours", () => {
    const first = applyTo2026Dot9({}, withModel);
    expect(model(first)).toMatchObject({ defaults: { model: { primary: "kilocode/vendor/model" } } });
    expect(first["models"]).toMatchObject({
      mode: "merge",
      providers: {
        kilocode: {
          baseUrl: "https://models.example/v1",
          apiKey: { source: "file", provider: "kiloclaw", id: "/KILOCODE_API_KEY" },
          api: "openai-completions",
          models: [{ id: "vendor/model", name: "vendor/model" }],
        },
      },
    });
    const second = applyTo2026Dot9(first, {
      ...bare,
      model: { baseUrl: "https://models.example/v1", id: "next" },
    });
    expect(model(second)).toMatchObject({ defaults: { model: { primary: "kilocode/next" } } });
  });

  it("is left alone where another provider's is chosen, as a name or with fallbacks", () => {
    for (const chosen of [
      "ollama/llama",
      { primary: "ollama/llama", fallbacks: ["kilocode/vendor/model"] },
    ]) {
      const config = applyTo2026Dot9({ agents: { defaults: { model: chosen } } }, withModel);
      expect(model(config)).toMatchObject({ defaults: { model: chosen } });
    }
  });

  it("keeps what the user says about it", () => {
    const mine = { id: "vendor/model", name: "My name", contextWindow: 1_000_000, maxTokens: 1 };
    const other = { id: "second", name: "Second" };
    const user: JsonObject = {
      models: { providers: { kilocode: { models: [other, mine], headers: { a: "b" } } } },
    };
    expect(applyTo2026Dot9(user, withModel)["models"]).toMatchObject({
      providers: { kilocode: { models: [mine, other], headers: { a: "b" } } },
    });
  });

  it("goes with its key, and nothing else with it", () => {
    const config = applyTo2026Dot9({ agents: { defaults: { model: { fallbacks: ["a/b"] } } } }, withModel);
    const without = applyTo2026Dot9(config, bare);
    expect(without).not.toHaveProperty(["models", "providers"]);
    expect(model(without)).toMatchObject({ defaults: { model: { fallbacks: ["a/b"] } } });
    expect(without).not.toHaveProperty(["agents", "defaults", "model", "primary"]);
    const theirs: JsonObject = { models: { providers: { kilocode: { apiKey: "their-own-key" } } } };
    expect(applyTo2026Dot9(theirs, bare)).toMatchObject(theirs);
  });
});

describe("channels", () => {
  const inFile = (name: string): JsonObject => ({ source: "file", provider: "kiloclaw", id: `/${name}` });

  it("refer to their tokens by name, with strangers to be paired", () => {
    const config = applyTo2026Dot9({}, withChannels);
    expect(config["channels"]).toEqual({
      telegram: { botToken: inFile("TELEGRAM_BOT_TOKEN"), enabled: true, dmPolicy: "pairing" },
      discord: { token: inFile("DISCORD_BOT_TOKEN"), enabled: true, dmPolicy: "pairing" },
      slack: {
        botToken: inFile("SLACK_BOT_TOKEN"),
        appToken: inFile("SLACK_APP_TOKEN"),
        enabled: true,
        dmPolicy: "pairing",
      },
    });
    expect(config["plugins"]).toMatchObject({
      entries: { discord: { enabled: true }, slack: { enabled: true } },
    });
  });

  it("keep what the user made of them, and go with their tokens", () => {
    const user: JsonObject = {
      channels: { telegram: { dmPolicy: "allowlist", allowFrom: ["1"] }, signal: {} },
    };
    const config = applyTo2026Dot9(user, withChannels);
    expect(config["channels"]).toMatchObject({ telegram: { dmPolicy: "allowlist", allowFrom: ["1"] } });
    const without = applyTo2026Dot9(config, bare);
    expect(without["channels"]).toEqual({ signal: {} });
    expect(without["plugins"]).toEqual({ entries: { kilocode: { enabled: false } } });
  });

  it("go with their tokens, too, when an earlier version referred to these", () => {
    const user: JsonObject = {
      channels: { telegram: { botToken: "${TELEGRAM_BOT_TOKEN}", dmPolicy: "allowlist" } },
      models: { providers: { kilocode: { apiKey: "KILOCODE_API_KEY" } } },
    };
    const config = applyTo2026Dot9(user, bare);
    expect(config).not.toHaveProperty("channels");
    expect(config).not.toHaveProperty("models");
    expect(applyTo2026Dot9(user, withChannels)["channels"]).toMatchObject({
      telegram: { botToken: inFile("TELEGRAM_BOT_TOKEN"), dmPolicy: "allowlist" },
    });
  });

  it("that the user set up alone are none of our business", () => {
    const user: JsonObject = {
      channels: { discord: { token: "their-own" } },
      plugins: { entries: { discord: { enabled: false } } },
    };
    expect(applyTo2026Dot9(user, bare)).toMatchObject(user);
  });
});
