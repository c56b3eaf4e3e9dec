import { expect, it } from "vitest";
import { machineTokensOf } from "../auth/machine-tokens.ts";
import { envSeal } from "./env-seal.ts";
import { machineRequest, settingsFrom } from "./machine-request.ts";
import { NO_SETTINGS } from "./settings.ts";
import type { InstanceState, Settings } from "./state.ts";
import { ownAppAt, record } from "./testing/records.ts";

const tokens = await machineTokensOf("a secret of the Worker's own", "dXNlci0x");
const DEFAULTS = { image: "registry.fly.io/app@sha256:1", allowedOrigins: ["https://claw.kilo.ai"] };
const ownApp = ownAppAt("ready", { secretsVersion: 12 });

const everything: Settings = {
  envVars: { GREETING: "hello", EMPTY: "", MANY_LINES: "a\nb" },
  kilocodeApiKey: "key",
  kilocodeDefaultModel: "some/model",
  channels: { telegramBotToken: "t", discordBotToken: "d", slackBotToken: "s", slackAppToken: "a" },
};

const requestFor = (fields: Partial<InstanceState>) =>
  machineRequest(record(fields), "vol_1", tokens, DEFAULTS, envSeal);

it("asks for a machine that carries its tenant, its volume at the home, and one service that Fly never wakes", async () => {
  const { config, ...rest } = await requestFor({ generation: 4 });
  expect(rest).toEqual({});
  expect(config).toMatchObject({
    image: DEFAULTS.image,
    guest: { cpu_kind: "shared", cpus: 2, memory_mb: 3_072 },
    mounts: [{ volume: "vol_1", path: "/root" }],
    services: [{ internal_port: 18_789, autostart: false, autostop: "off", ports: [{ port: 443 }] }],
    metadata: {
      kiloclaw_user_id: "user-1",
      kiloclaw_sandbox_id: "dXNlci0x",
      kiloclaw_generation: "4",
    },
  });
});

it("lets no variable of the user's take the place of one of ours", async () => {
  const envVars = {
    KILOCLAW_GATEWAY_TOKEN: "mine",
    KILOCLAW_SANDBOX_ID: "mine",
    OPENCLAW_ALLOWED_ORIGINS: "*",
  };
  const { config } = await requestFor({ settings: { ...NO_SETTINGS, envVars } });
  expect(config.env).toMatchObject({
    KILOCLAW_GATEWAY_TOKEN: tokens.gatewayToken,
    KILOCLAW_SANDBOX_ID: "dXNlci0x",
    OPENCLAW_ALLOWED_ORIGINS: "https://claw.kilo.ai",
  });
});

it("shows Fly nothing of a sealed environment, and makes the machine wait for the key to it", async () => {
  const request = await requestFor({ ownApp, settings: everything });
  expect(request.min_secrets_version).toBe(12);
  const text = JSON.stringify(request);
  for (const secret of ["hello", "some/model", tokens.gatewayToken, tokens.proxyToken, tokens.envKey]) {
    expect(text).not.toContain(secret);
  }
  expect(request.config.env["KILOCLAW_SANDBOX_ID"]).toBe("dXNlci0x");
});

it.each([
  ["plain", null],
  ["sealed", ownApp],
] as const)("finds the settings again in a %s environment", async (_how, app) => {
  for (const settings of [everything, NO_SETTINGS]) {
    const { config } = await requestFor({ ownApp: app, settings });
    expect(await settingsFrom(config.env, tokens, "dXNlci0x", envSeal)).toEqual(settings);
  }
});

it("finds them again where they are sealed in many parts", async () => {
  const envVars = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`BIG_${n}`, "x".repeat(100_000)]));
  const settings = { ...NO_SETTINGS, envVars };
  const { config } = await requestFor({ ownApp, settings });
  expect(Object.keys(config.env).length).toBeGreaterThan(10);
  expect(await settingsFrom(config.env, tokens, "dXNlci0x", envSeal)).toEqual(settings);
});

it("reads no settings from what was sealed for another machine, or altered", async () => {
  const { config } = await requestFor({ ownApp, settings: everything });
  expect(await settingsFrom(config.env, tokens, "another", envSeal)).toBeNull();
  const sealed = config.env["KILOCLAW_SEALED_ENV"] ?? "";
  const altered = { ...config.env, KILOCLAW_SEALED_ENV: `${sealed.slice(0, -2)}AA` };
  expect(await settingsFrom(altered, tokens, "dXNlci0x", envSeal)).toBeNull();
});
