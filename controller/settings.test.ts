import { describe, expect, it } from "vitest";
import { readPlace, readSettings } from "./settings.ts";
import { MACHINE_ENV } from "./testing/controller-process.ts";

describe("the place", () => {
  it("has Fly's defaults", () => {
    expect(readPlace({ HOME: "/root" })).toEqual({
      place: {
        host: "0.0.0.0",
        port: 18_789,
        gatewayPort: 18_790,
        home: "/root",
        openclawDir: "/opt/openclaw",
        stopTimeoutMs: 20_000,
        hangTimeoutMs: 90_000,
        imageDigest: null,
      },
      ignored: [],
    });
  });

  it("takes what is usable and names what is not", () => {
    const { place, ignored } = readPlace({
      PORT: "99999",
      KILOCLAW_LISTEN_HOST: "127.0.0.1",
      OPENCLAW_DIR: "relative",
      KILOCLAW_STOP_TIMEOUT_MS: "",
    });
    expect(place).toMatchObject({ port: 18_789, host: "127.0.0.1", openclawDir: "/opt/openclaw" });
    expect(ignored).toEqual(["PORT", "OPENCLAW_DIR"]);
  });
});

describe("the settings", () => {
  it("need neither a model nor a channel", () => {
    expect(readSettings(MACHINE_ENV)).toEqual({
      ok: true,
      ignored: [],
      settings: {
        sandboxId: "sandbox-1",
        gatewayToken: MACHINE_ENV["KILOCLAW_GATEWAY_TOKEN"],
        proxyToken: MACHINE_ENV["KILOCLAW_PROXY_TOKEN"],
        allowedOrigins: ["http://127.0.0.1:8787", "http://localhost:8787"],
        model: null,
        channels: { telegram: false, discord: false, slack: false },
      },
    });
  });

  it("know the Kilo gateway and its default model, by the provider's own id", () => {
    const read = (extra: Record<string, string>): unknown =>
      readSettings({ ...MACHINE_ENV, KILOCODE_API_KEY: "k", ...extra });
    expect(read({})).toMatchObject({
      settings: {
        model: { baseUrl: "https://api.kilo.ai/api/gateway", id: "kilo-auto/balanced" },
      },
    });
    expect(
      read({
        KILOCODE_API_BASE_URL: "http://127.0.0.1:4290/v1",
        KILOCODE_DEFAULT_MODEL: "kilocode/openai/gpt-5.5",
      }),
    ).toMatchObject({ settings: { model: { baseUrl: "http://127.0.0.1:4290/v1", id: "openai/gpt-5.5" } } });
  });

  it.each([
    ["KILOCODE_API_BASE_URL", "file:///etc/passwd"],
    ["KILOCODE_API_BASE_URL", "api.example"],
    ["KILOCODE_DEFAULT_MODEL", "${HOME}"],
    ["KILOCODE_DEFAULT_MODEL", "kilocode/"],
    ["KILOCODE_DEFAULT_MODEL", "m".repeat(201)],
  ])("ignore %s=%s by its name, and use the default", (name, value) => {
    expect(readSettings({ ...MACHINE_ENV, KILOCODE_API_KEY: "k", [name]: value })).toMatchObject({
      ok: true,
      ignored: [name],
      settings: { model: { baseUrl: "https://api.kilo.ai/api/gateway", id: "kilo-auto/balanced" } },
    });
  });

  it("take Slack only with both of its tokens, and an empty variable for none", () => {
    const channels = (extra: Record<string, string>): unknown => {
      const result = readSettings({ ...MACHINE_ENV, ...extra });
      return result.ok ? result.settings.channels : result.problems;
    };
    expect(channels({ SLACK_BOT_TOKEN: "x" })).toMatchObject({ slack: false });
    expect(channels({ SLACK_BOT_TOKEN: "x", SLACK_APP_TOKEN: "" })).toMatchObject({ slack: false });
    expect(channels({ SLACK_BOT_TOKEN: "x", SLACK_APP_TOKEN: "y", TELEGRAM_BOT_TOKEN: "z" })).toEqual({
      telegram: true,
      discord: false,
      slack: true,
    });
  });

  it.each([
    ["KILOCLAW_SANDBOX_ID", "a b", "KILOCLAW_SANDBOX_ID is not a sandbox id"],
    ["KILOCLAW_GATEWAY_TOKEN", "abc123", "KILOCLAW_GATEWAY_TOKEN is shorter than 32 characters"],
    ["KILOCLAW_GATEWAY_TOKEN", "z".repeat(64), "KILOCLAW_GATEWAY_TOKEN is not hexadecimal"],
    ["KILOCLAW_PROXY_TOKEN", "", "KILOCLAW_PROXY_TOKEN is missing"],
    [
      "KILOCLAW_PROXY_TOKEN",
      MACHINE_ENV["KILOCLAW_GATEWAY_TOKEN"],
      "KILOCLAW_PROXY_TOKEN equals KILOCLAW_GATEWAY_TOKEN",
    ],
    [
      "OPENCLAW_ALLOWED_ORIGINS",
      "https://a.example/path",
      "OPENCLAW_ALLOWED_ORIGINS holds something that is no origin",
    ],
    ["OPENCLAW_ALLOWED_ORIGINS", "*", "OPENCLAW_ALLOWED_ORIGINS holds something that is no origin"],
    ["OPENCLAW_ALLOWED_ORIGINS", "null", "OPENCLAW_ALLOWED_ORIGINS holds something that is no origin"],
  ])("refuse %s=%s without repeating its value", (name, value, problem) => {
    expect(readSettings({ ...MACHINE_ENV, [name]: value })).toEqual({ ok: false, problems: [problem] });
  });
});
