import { describe, expect, it } from "vitest";
import { envKeyOf, machineTokensOf } from "../auth/machine-tokens.ts";
import { sealSecret } from "../client/index.ts";
import { createSecretBox } from "../crypto/secret-box.ts";
import { sealLegacyEnv } from "../crypto/testing/legacy-seal.ts";
import { newPrivateKey } from "../crypto/testing/private-key.ts";
import type { MachineRequest } from "../fly/schemas.ts";
import { createEnvSeal } from "./env-seal.ts";
import { envUpdate, machineRequest, settingsFrom } from "./machine-request.ts";
import { NO_SETTINGS } from "./settings.ts";
import type { InstanceState, Settings } from "./state.ts";
import { NOW, ownAppAt, record } from "./testing/records.ts";

const SECRET = "a secret of the Worker's own";
const tokens = await machineTokensOf(SECRET, "dXNlci0x");
const DEFAULTS = { image: "registry.fly.io/app@sha256:1", allowedOrigins: ["https://claw.kilo.ai"] };
const ownApp = ownAppAt("ready", { secretsVersion: 12 });

const everything: Settings = {
  envVars: { GREETING: "hello", EMPTY: "", MANY_LINES: "a\nb" },
  encryptedSecrets: {},
  kilocodeApiKey: "key",
  kilocodeDefaultModel: "some/model",
  channels: { telegramBotToken: "t", discordBotToken: "d", slackBotToken: "s", slackAppToken: "a" },
};

const secretBox = createSecretBox({ current: await newPrivateKey(), previous: null });
const envSeal = createEnvSeal(SECRET);
const seals = { envSeal, secretBox };
const us = { sandboxId: "dXNlci0x", userId: "user-1" };

const buildFor = (fields: Partial<InstanceState>) =>
  machineRequest(record(fields), "vol_1", tokens, DEFAULTS, seals);

async function requestFor(fields: Partial<InstanceState>): Promise<MachineRequest> {
  const built = await buildFor(fields);
  if (built.kind !== "built") throw new Error(built.kind);
  return built.request;
}

async function sealed(name: string, value: string, userId = "user-1"): Promise<string> {
  return sealSecret(value, (await secretBox.publicKey()) ?? { kty: "none" }, { name, userId });
}

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

it("tells the machine how new its settings are, by a number that grows over lost records too", async () => {
  const told = async (fields: Partial<InstanceState>) =>
    Number((await requestFor(fields)).config.env["KILOCLAW_GENERATION"]);
  expect(await told({ generationBase: 1_000, generation: 4 })).toBe(1_004);
  expect(await told({ generation: 1 })).toBeGreaterThan(NOW);
});

describe("the settings that a running machine is given", () => {
  async function update(fields: Partial<InstanceState>) {
    const built = await envUpdate(record({ generationBase: 1_000, generation: 4, ...fields }), seals);
    if (built.kind !== "built") throw new Error(built.kind);
    return built.update;
  }

  it("are all of its environment that a new machine would have and that is the user's", async () => {
    const { generation, settings, stored } = await update({ settings: everything });
    const { config } = await requestFor({ settings: everything });
    expect(generation).toBe(1_004);
    expect(stored).toEqual(settings);
    expect(config.env).toMatchObject(settings);
    const others = Object.keys(config.env).filter((name) => !(name in settings));
    expect(others.toSorted()).toEqual([
      "KILOCLAW_GATEWAY_TOKEN",
      "KILOCLAW_GENERATION",
      "KILOCLAW_PROXY_TOKEN",
      "KILOCLAW_SANDBOX_ID",
      "OPENCLAW_ALLOWED_ORIGINS",
    ]);
  });

  it("hold none of the names that a machine is told of itself by", async () => {
    const envVars = { KILOCLAW_GENERATION: "9", KILOCLAW_PROXY_TOKEN: "mine", OWN: "1" };
    const { settings } = await update({ settings: { ...NO_SETTINGS, envVars } });
    expect(settings).toEqual({ OWN: "1" });
  });

  it.each([
    ["plain", null],
    ["sealed", ownApp],
  ] as const)(
    "tell which are the user's of the names that an image sets too, as a %s environment does",
    async (_how, app) => {
      const settings = { ...NO_SETTINGS, envVars: { TZ: "Asia/Tokyo", LC_ALL: "C", OWN: "1" } };
      const told = { KILOCLAW_SETTING_NAMES: "TZ,LC_ALL" };
      const { settings: given, stored } = await update({ ownApp: app, settings });
      expect(given).toEqual({ ...settings.envVars, ...told });
      const { config } = await requestFor({ ownApp: app, settings });
      for (const env of [stored, config.env]) {
        expect((await seals.envSeal.open(env, us.sandboxId))?.env).toMatchObject(told);
        expect((await settingsFrom(env, us, seals))?.settings).toEqual(settings);
      }
    },
  );

  it("are kept sealed where Fly has them sealed", async () => {
    const { settings, stored } = await update({ ownApp, settings: everything });
    expect(settings).toMatchObject({ GREETING: "hello", TELEGRAM_BOT_TOKEN: "t" });
    expect(JSON.stringify(stored)).not.toContain("hello");
    expect((await settingsFrom(stored, us, seals))?.settings).toEqual(everything);
  });

  it("are opened for it, and not sent at all where one of them can't be", async () => {
    const encryptedSecrets = { MINE: await sealed("MINE", "opened") };
    expect((await update({ settings: { ...NO_SETTINGS, encryptedSecrets } })).settings).toEqual({
      MINE: "opened",
      // By which the controller knows what is to be in no log.
      KILOCLAW_SECRET_NAMES: "MINE",
    });
    const others = { MINE: await sealed("MINE", "opened", "user-2") };
    expect(
      await envUpdate(record({ settings: { ...NO_SETTINGS, encryptedSecrets: others } }), seals),
    ).toEqual({
      kind: "secrets_unreadable",
      names: ["MINE"],
    });
  });
});

it("shows Fly nothing of a sealed environment, and makes the machine wait for the key to it", async () => {
  const request = await requestFor({ ownApp, settings: everything });
  expect(request.min_secrets_version).toBe(12);
  const text = JSON.stringify(request);
  for (const secret of ["hello", "some/model", tokens.gatewayToken, tokens.proxyToken]) {
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
    expect(await settingsFrom(config.env, us, seals)).toMatchObject({ settings });
  }
});

it("finds them again where they were sealed in one text, as older machines have them", async () => {
  const plain = await requestFor({ settings: everything });
  const text = await sealLegacyEnv(plain.config.env, await envKeyOf(SECRET, "dXNlci0x", 1), "dXNlci0x");
  const env = {
    KILOCLAW_SANDBOX_ID: "dXNlci0x",
    KILOCLAW_SEALED_ENV: text.slice(0, 200),
    KILOCLAW_SEALED_ENV_2: text.slice(200),
  };
  expect(await settingsFrom(env, us, seals)).toEqual({ settings: everything, keyVersion: 1 });
  expect(await settingsFrom({ ...env, KILOCLAW_SEALED_ENV_2: "" }, us, seals)).toBeNull();
});

it("finds by which key an environment was sealed", async () => {
  const rotated = ownAppAt("ready", { keyVersion: 3 });
  const { config } = await requestFor({ ownApp: rotated, settings: everything });
  expect(await settingsFrom(config.env, us, seals)).toEqual({ settings: everything, keyVersion: 3 });
  const plain = await requestFor({ settings: everything });
  expect(await settingsFrom(plain.config.env, us, seals)).toMatchObject({ keyVersion: null });
});

it("reads no settings from what was sealed for another machine, or altered", async () => {
  const { config } = await requestFor({ ownApp, settings: everything });
  expect(await settingsFrom(config.env, { ...us, sandboxId: "another" }, seals)).toBeNull();
  const text = config.env["KILOCLAW_SEALED_GREETING"] ?? "";
  const altered = { ...config.env, KILOCLAW_SEALED_GREETING: `${text.slice(0, -4)}AAAA` };
  expect(await settingsFrom(altered, us, seals)).toBeNull();
});

it("opens what is sealed for the machine alone, and lets a secret take the place of a plain variable", async () => {
  const settings: Settings = {
    ...NO_SETTINGS,
    envVars: { GREETING: "hello", MY_SECRET: "plain" },
    encryptedSecrets: { MY_SECRET: await sealed("MY_SECRET", "of the user") },
    kilocodeApiKey: { encrypted: await sealed("KILOCODE_API_KEY", "kilo-key") },
    channels: {
      ...NO_SETTINGS.channels,
      slackBotToken: { encrypted: await sealed("SLACK_BOT_TOKEN", "xoxb") },
      discordBotToken: "plain-discord",
    },
  };
  const { config } = await requestFor({ settings });
  expect(config.env).toMatchObject({
    GREETING: "hello",
    MY_SECRET: "of the user",
    KILOCODE_API_KEY: "kilo-key",
    SLACK_BOT_TOKEN: "xoxb",
    DISCORD_BOT_TOKEN: "plain-discord",
  });
});

it.each([
  ["plain", null],
  ["sealed", ownApp],
] as const)("stores what came sealed sealed again, found in a %s environment", async (_how, app) => {
  const settings: Settings = {
    ...NO_SETTINGS,
    envVars: { GREETING: "hello" },
    encryptedSecrets: { MY_SECRET: await sealed("MY_SECRET", "of the user") },
    channels: {
      ...NO_SETTINGS.channels,
      telegramBotToken: { encrypted: await sealed("TELEGRAM_BOT_TOKEN", "123:abc") },
      slackAppToken: "plain",
    },
  };
  const { config } = await requestFor({ ownApp: app, settings });
  const found = (await settingsFrom(config.env, us, seals))?.settings;
  expect(found).toMatchObject({
    envVars: { GREETING: "hello" },
    encryptedSecrets: { MY_SECRET: expect.any(String) },
    channels: { telegramBotToken: { encrypted: expect.any(String) }, slackAppToken: "plain" },
  });
  expect(JSON.stringify(found)).not.toMatch(/of the user|123:abc/);
  expect(Object.keys(found?.envVars ?? {})).toEqual(["GREETING"]);
  const again = await requestFor({ settings: found ?? NO_SETTINGS });
  expect(again.config.env).toMatchObject({ MY_SECRET: "of the user", TELEGRAM_BOT_TOKEN: "123:abc" });
});

it("asks for no machine while a value can't be opened, and names the variable alone", async () => {
  const encryptedSecrets = {
    MINE: await sealed("MINE", "canary-value"),
    MOVED: await sealed("OTHER", "canary-value"),
    FOREIGN: await sealed("FOREIGN", "canary-value", "user-2"),
  };
  const built = await buildFor({ settings: { ...NO_SETTINGS, encryptedSecrets } });
  expect(built).toEqual({ kind: "secrets_unreadable", names: ["MOVED", "FOREIGN"] });
});
