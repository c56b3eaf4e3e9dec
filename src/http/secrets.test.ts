import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { type PublicKey, sealSecret } from "../client/index.ts";
import { createSecretBox } from "../crypto/secret-box.ts";
import { newPrivateKey } from "../crypto/testing/private-key.ts";
import { readState } from "../instance/stored.ts";
import { flyList, insertUser, platform, platformGet, request, signedIn } from "./testing/client.ts";

const CANARY = "canary-d1f8";

let key: PublicKey;

beforeAll(async () => {
  const answer = await platformGet("public-key");
  const { keys } = await answer.json<{ keys: PublicKey[] }>();
  key = keys[0] ?? { kty: "none" };
});

const seal = (userId: string, name: string, value = `${CANARY}-${name}`) =>
  sealSecret(value, key, { userId, name });

const patch = (path: string, body: unknown) =>
  request(`/api/platform/${path}`, {
    method: "PATCH",
    headers: { "content-type": "application/json", "x-internal-api-key": env.INTERNAL_API_SECRET ?? "" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

async function machineOf(userId: string) {
  type Machine = { state: string; config: { env: Record<string, string>; metadata: Record<string, string> } };
  const machines = await flyList<Machine>("machines");
  return machines.find(
    ({ state, config }) => config.metadata["kiloclaw_user_id"] === userId && state !== "destroyed",
  );
}

async function stored(userId: string) {
  const raw = await runInDurableObject(env.KILOCLAW_INSTANCE.getByName(userId), (_object, { storage }) =>
    storage.kv.get("instance"),
  );
  const read = readState(raw);
  return read.kind === "readable" ? read.state : null;
}

async function provisionedWith(userId: string, settings: Record<string, unknown>): Promise<Response> {
  return platform("provision", { userId, ...settings });
}

describe("sealed values", () => {
  it("S01: are stored as they came, opened for the machine alone, and shown to nobody", async () => {
    const userId = "sealed";
    await insertUser(userId);
    const encryptedSecrets = { MY_SECRET: await seal(userId, "MY_SECRET") };
    const telegramBotToken = { encrypted: await seal(userId, "TELEGRAM_BOT_TOKEN") };
    const kilocodeApiKey = { encrypted: await seal(userId, "KILOCODE_API_KEY") };
    const settings = { encryptedSecrets, channels: { telegramBotToken }, kilocodeApiKey };
    expect((await provisionedWith(userId, settings)).status).toBe(201);
    expect((await platform("start", { userId })).status).toBe(200);
    expect((await machineOf(userId))?.config.env).toMatchObject({
      MY_SECRET: `${CANARY}-MY_SECRET`,
      TELEGRAM_BOT_TOKEN: `${CANARY}-TELEGRAM_BOT_TOKEN`,
      KILOCODE_API_KEY: `${CANARY}-KILOCODE_API_KEY`,
    });
    expect((await stored(userId))?.settings).toMatchObject(settings);
    expect(JSON.stringify(await stored(userId))).not.toContain(CANARY);
    const config = await request("/api/kiloclaw/config", { headers: await signedIn(userId) });
    const view = await config.json();
    expect(view).toMatchObject({
      secretNames: ["MY_SECRET"],
      kilocodeApiKeySet: true,
      channels: { telegram: true },
    });
    const events = await (await platformGet(`events?userId=${userId}`)).text();
    const status = await (await platformGet(`status?userId=${userId}`)).text();
    for (const text of [JSON.stringify(view), events, status]) {
      expect(text).not.toContain(CANARY);
      expect(text).not.toContain(encryptedSecrets.MY_SECRET);
    }
    await platform("destroy", { userId });
  });

  it("that say the same as those that are stored make nothing new", async () => {
    const userId = "sealed-again";
    const settings = async (value: string) => ({
      encryptedSecrets: { MY_SECRET: await seal(userId, "MY_SECRET", value) },
      channels: { slackBotToken: { encrypted: await seal(userId, "SLACK_BOT_TOKEN", "xoxb") } },
    });
    await provisionedWith(userId, await settings("one"));
    const before = await stored(userId);
    await provisionedWith(userId, await settings("one"));
    expect(await stored(userId)).toMatchObject({ generation: 1, settings: before?.settings });
    await provisionedWith(userId, await settings("two"));
    expect(await stored(userId)).toMatchObject({ generation: 2 });
    await platform("destroy", { userId });
  });

  it.each([
    ["S03: of another name", async (userId: string) => ({ MY_SECRET: await seal(userId, "OTHER") })],
    ["S03: of another user", async () => ({ MY_SECRET: await seal("somebody-else", "MY_SECRET") })],
    ["that are none", async () => ({ MY_SECRET: "sk-plain" })],
    ["that are empty", async (userId: string) => ({ MY_SECRET: await seal(userId, "MY_SECRET", "") })],
    ["with a zero", async (userId: string) => ({ MY_SECRET: await seal(userId, "MY_SECRET", "a\0b") })],
    [
      "that are too long",
      async (userId: string) => ({ MY_SECRET: await seal(userId, "MY_SECRET", "x".repeat(16_385)) }),
    ],
    ["for another key", async (userId: string) => ({ MY_SECRET: await forAnotherKey(userId, "MY_SECRET") })],
    ["S05: of a reserved name", async (userId: string) => ({ LD_PRELOAD: await seal(userId, "LD_PRELOAD") })],
  ])("%s are refused at once, and change nothing", async (_what, secretsFor) => {
    const userId = "sealed-badly";
    await provisionedWith(userId, { envVars: { KEPT: "kept" } });
    const before = await stored(userId);
    const encryptedSecrets = await secretsFor(userId);
    for (const answer of [
      await provisionedWith(userId, { encryptedSecrets, envVars: { NEW: "new" } }),
      await patch("secrets", { userId, encryptedSecrets }),
    ]) {
      expect(answer.status).toBe(400);
      const text = await answer.text();
      expect(text).toContain(`encryptedSecrets.${Object.keys(encryptedSecrets)[0]}`);
      expect(JSON.parse(text)).toMatchObject({ code: "invalid_request" });
      expect(text).not.toContain(CANARY);
    }
    expect(await exports.KiloClawPlatform.configure(userId, { encryptedSecrets })).toMatchObject({
      kind: expect.stringMatching(/^invalid_/),
    });
    expect(await stored(userId)).toEqual(before);
  });

  it.each([
    ["TELEGRAM_BOT_TOKEN", "channels.telegramBotToken"],
    ["DISCORD_BOT_TOKEN", "channels.discordBotToken"],
    ["SLACK_BOT_TOKEN", "channels.slackBotToken"],
    ["SLACK_APP_TOKEN", "channels.slackAppToken"],
    ["KILOCODE_API_KEY", "kilocodeApiKey"],
    ["KILOCODE_DEFAULT_MODEL", "kilocodeDefaultModel"],
  ])("and plain ones under the name %s are refused, for which there is %s", async (name, field) => {
    const userId = "sealed-twice";
    const encryptedSecrets = { [name]: await seal(userId, name) };
    for (const answer of [
      await provisionedWith(userId, { encryptedSecrets }),
      await provisionedWith(userId, { envVars: { [name]: "plain" } }),
      await patch("secrets", { userId, encryptedSecrets }),
    ]) {
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({
        code: "invalid_request",
        issues: [{ path: expect.stringContaining(`.${name}`), message: `is set by the field ${field}` }],
      });
    }
    const rpc = exports.KiloClawPlatform;
    for (const result of [
      await rpc.provision({ userId, envVars: { [name]: "plain" } }),
      await rpc.configure(userId, { encryptedSecrets }),
    ]) {
      expect(result).toMatchObject({ kind: "invalid_request" });
    }
    expect(await stored(userId)).toBeNull();
  });

  it("are refused where a channel's token takes none that long", async () => {
    const userId = "sealed-token";
    const encrypted = await seal(userId, "DISCORD_BOT_TOKEN", "x".repeat(1_025));
    const answer = await provisionedWith(userId, { channels: { discordBotToken: { encrypted } } });
    expect(answer.status).toBe(400);
    expect(await stored(userId)).toBeNull();
  });
});

describe("changed settings", () => {
  it("are kept where absent, removed by null and set by a value, and a machine that runs takes them over", async () => {
    const userId = "patched";
    await provisionedWith(userId, {
      envVars: { PLAIN: "plain" },
      encryptedSecrets: { FIRST: await seal(userId, "FIRST"), SECOND: await seal(userId, "SECOND") },
      channels: { discordBotToken: "discord", slackBotToken: "xoxb" },
      kilocodeApiKey: "key",
      kilocodeDefaultModel: "some/model",
    });
    await platform("start", { userId });

    const secrets = await patch("secrets", {
      userId,
      encryptedSecrets: { FIRST: null, THIRD: await seal(userId, "THIRD") },
    });
    expect([secrets.status, await secrets.json()]).toEqual([
      200,
      { ok: true, status: "running", applied: true },
    ]);
    const channels = await patch("channels", {
      userId,
      channels: {
        discordBotToken: null,
        telegramBotToken: { encrypted: await seal(userId, "TELEGRAM_BOT_TOKEN") },
      },
    });
    expect(channels.status).toBe(200);
    expect((await patch("kilocode-config", { userId, kilocodeDefaultModel: null })).status).toBe(200);

    const { KILOCLAW_SANDBOX_ID: _, ...variables } = (await machineOf(userId))?.config.env ?? {};
    const ours = Object.entries(variables).filter(([name]) => !/^(KILOCLAW|OPENCLAW)_/.test(name));
    expect(Object.fromEntries(ours)).toEqual({
      PLAIN: "plain",
      SECOND: `${CANARY}-SECOND`,
      THIRD: `${CANARY}-THIRD`,
      TELEGRAM_BOT_TOKEN: `${CANARY}-TELEGRAM_BOT_TOKEN`,
      SLACK_BOT_TOKEN: "xoxb",
      KILOCODE_API_KEY: "key",
    });
    await platform("destroy", { userId });
  });

  it("leave one stopped that is stopped", async () => {
    const userId = "patched-stopped";
    await provisionedWith(userId, {});
    const answer = await patch("channels", { userId, channels: { slackAppToken: "xapp" } });
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { ok: true, status: "provisioned", applied: false },
    ]);
    expect(await machineOf(userId)).toBeUndefined();
    await platform("destroy", { userId });
  });

  it("over RPC are the same operation", async () => {
    const userId = "patched-rpc";
    const { configure, provision, publicKey, destroy } = exports.KiloClawPlatform;
    expect(await publicKey()).toMatchObject({
      kind: "public_key",
      key: { kty: "RSA", n: key.n ?? "", use: "enc" },
    });
    await provision({ userId });
    const changes = { encryptedSecrets: { A: await seal(userId, "A") }, kilocodeDefaultModel: "m" };
    expect(await configure(userId, changes)).toEqual({ kind: "settled", status: "provisioned" });
    expect((await stored(userId))?.settings).toMatchObject(changes);
    await destroy(userId);
  });

  it("and new keys are for an instance that exists, over HTTP and RPC", async () => {
    const userId = "rotated-http";
    const nobody = await platform("rotate", { userId });
    expect([nobody.status, (await nobody.json<{ code: string }>()).code]).toEqual([404, "not_provisioned"]);
    expect(await exports.KiloClawPlatform.rotate(userId)).toEqual({ kind: "not_provisioned" });
    await provisionedWith(userId, { encryptedSecrets: { A: await seal(userId, "A") } });
    const rotated = await platform("rotate", { userId });
    expect([rotated.status, await rotated.json()]).toEqual([
      200,
      { ok: true, status: "provisioned", applied: false },
    ]);
    expect(await exports.KiloClawPlatform.rotate(userId)).toEqual({ kind: "settled", status: "provisioned" });
    expect((await platformGet("rotate")).headers.get("allow")).toBe("POST");
    await platform("destroy", { userId });
  });

  it.each([
    ["channels", { channels: {} }],
    ["kilocode-config", {}],
    ["secrets", { encryptedSecrets: {} }],
  ])("of %s make no instance", async (path, body) => {
    const answer = await patch(path, { userId: "patched-nobody", ...body });
    expect([answer.status, (await answer.json<{ code: string }>()).code]).toEqual([404, "not_provisioned"]);
    expect(await stored("patched-nobody")).toBeNull();
  });

  it.each([
    ["channels", { channels: { whatsappToken: "x" } }],
    ["channels", { channels: { discordBotToken: { encrypted: 1 } } }],
    ["kilocode-config", { kilocodeDefaultModel: "" }],
    ["kilocode-config", { kilocodeDefaultModel: "no model" }],
    ["kilocode-config", { kilocodeDefaultModel: "kilocode/" }],
    ["kilocode-config", { kilocodeDefaultModel: "m".repeat(201) }],
    ["kilocode-config", { channels: {} }],
    ["secrets", { encryptedSecrets: { path: "x" } }],
    ["secrets", { encryptedSecrets: { ＰＡＴＨ: null } }],
    ["secrets", { secrets: {} }],
  ])("S05: of %s are refused that are not what can be set: %j", async (path, body) => {
    expect((await patch(path, { userId: "patched-badly", ...body })).status).toBe(400);
  });

  it("together are bounded", async () => {
    const userId = "patched-much";
    const value = "x".repeat(16_000);
    const names = (from: number) => Array.from({ length: 12 }, (_, n) => `V${from + n}`);
    const vars = (from: number) => Object.fromEntries(names(from).map((name) => [name, value]));
    await provisionedWith(userId, { envVars: vars(0) });
    for (let from = 0; ; from += 2) {
      const secrets = await Promise.all([from, from + 1].map((n) => seal(userId, `S${n}`, value)));
      const encryptedSecrets = { [`S${from}`]: secrets[0], [`S${from + 1}`]: secrets[1] };
      const answer = await patch("secrets", { userId, encryptedSecrets });
      if (answer.status === 200) continue;
      expect(answer.status).toBe(413);
      expect(from).toBeGreaterThan(8);
      break;
    }
    await platform("destroy", { userId });
  });
});

describe("S09: a key that reaches into a prototype", () => {
  it.each(["__proto__", "constructor", "prototype"])("%s is refused wherever it stands", async (name) => {
    const body = (inner: string) => `{"userId":"polluter",${inner}}`;
    for (const answer of [
      await patch("secrets", body(`"encryptedSecrets":{"${name}":null}`)),
      await patch("channels", body(`"channels":{"${name}":{"polluted":"yes"}}`)),
      await patch("kilocode-config", body(`"${name}":{"polluted":"yes"}`)),
    ]) {
      expect(answer.status).toBe(400);
    }
    expect({}).not.toHaveProperty("polluted");
  });
});

async function forAnotherKey(userId: string, name: string): Promise<string> {
  const other = await createSecretBox({ current: await newPrivateKey(), previous: null }).publicKey();
  return sealSecret("value", other ?? { kty: "none" }, { userId, name });
}
