import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { unsealEnvironment } from "../../controller/sealed-env.ts";
import type { LocalFly } from "../../infrastructure/local/fly/index.ts";
import { type PublicKey, sealSecret } from "../../src/client/index.ts";
import { createEnvSeal } from "../../src/instance/env-seal.ts";
import { type FlyView, flyView } from "./support/fly-view.ts";
import { everythingAtFly, foundIn, keyOf, OWN_APPS } from "./support/own-app.ts";
import { ask, type Platform, platformOf } from "./support/platform.ts";
import { until } from "./support/until.ts";
import { bearerOf, enrol } from "./support/user.ts";
import { type RunningWorker, World } from "./support/world.ts";

const USER = "rotating";
const SECRETS = { MY_SECRET: "canary-of-the-user", TELEGRAM_BOT_TOKEN: "123456:canary-token" };
const keysSchema = z.object({ keys: z.tuple([z.object({ kty: z.string(), n: z.string(), e: z.string() })]) });

const first = privateKey();
const second = privateKey();

let world: World;
let fly: LocalFly;
let view: FlyView;
let databaseUrl: string;
let oldKey: PublicKey;
let owner: { authorization: string };
const logs: (readonly string[])[] = [];

beforeAll(async () => {
  world = await World.open();
  const [startedFly, database] = await Promise.all([world.startFly(), world.startDatabase()]);
  fly = startedFly;
  view = flyView(fly, world.secrets.FLY_API_TOKEN);
  databaseUrl = database.workerUrl;
  await enrol(database.adminUrl, USER);
  owner = await bearerOf(world, USER);
}, 60_000);

afterAll(() => world?.close());

it("S03: seals everything for new keys, and does without the old ones afterwards", async () => {
  const before = await workerWith({ AGENT_ENV_VARS_PRIVATE_KEY: first });
  const key = await publicKeyOf(before.worker);
  oldKey = key;
  const seal = (name: keyof typeof SECRETS): Promise<string> =>
    sealSecret(SECRETS[name], key, { name, userId: USER });
  const provisioned = await before.platform.post("provision", USER, {
    encryptedSecrets: { MY_SECRET: await seal("MY_SECRET") },
    channels: { telegramBotToken: { encrypted: await seal("TELEGRAM_BOT_TOKEN") } },
  });
  expect(provisioned.status).toBe(201);
  expect((await before.platform.post("start", USER)).body).toMatchObject({ status: "running" });
  expect(await variables(before.worker)).toEqual(SECRETS);
  expect(await keyIdsAtFly(before.platform)).toEqual(["1"]);
  await before.worker.close();

  const both = { AGENT_ENV_VARS_PRIVATE_KEY: second, AGENT_ENV_VARS_PRIVATE_KEY_PREVIOUS: first };
  const during = await workerWith(both);
  expect(await publicKeyOf(during.worker)).not.toEqual(key);
  const rotated = await during.platform.post("rotate", USER);
  expect([rotated.status, rotated.body]).toEqual([200, { ok: true, status: "running", applied: true }]);
  expect(await variables(during.worker)).toEqual(SECRETS);
  expect(await keyIdsAtFly(during.platform)).toEqual(["2"]);
  await during.worker.close();

  const after = await workerWith({ AGENT_ENV_VARS_PRIVATE_KEY: second });
  expect((await after.platform.post("restart", USER)).body).toMatchObject({ status: "running" });
  expect(await variables(after.worker)).toEqual(SECRETS);

  // One that is stopped stays so, and has the newest key from its next start on.
  await after.platform.post("stop", USER);
  expect((await after.platform.post("rotate", USER)).body).toEqual({
    ok: true,
    status: "stopped",
    applied: false,
  });
  expect(await keyIdsAtFly(after.platform)).toEqual(["2"]);
  expect((await after.platform.post("start", USER)).body).toMatchObject({ status: "running" });
  expect(await variables(after.worker)).toEqual(SECRETS);
  expect(await keyIdsAtFly(after.platform)).toEqual(["3"]);

  const { sandboxId } = await after.platform.status(USER);
  const keys = await Promise.all([1, 2, 3].map((version) => keyOf(world, sandboxId ?? "", version)));
  const secret = { ...SECRETS, ...Object.fromEntries(keys.map((one, n) => [`key ${n + 1}`, one])) };
  // The app's own secrets are all of it that Fly was ever given.
  expect(foundIn(await everythingAtFly(world), secret)).toEqual(["key 1", "key 2", "key 3"]);
  const told = [JSON.stringify(await after.platform.events(USER)), ...logs.flat()].join("\n");
  expect(foundIn(told, { ...secret, first: bodyOf(first), second: bodyOf(second) })).toEqual([]);
}, 120_000);

it("is not begun while a stored value can't be opened", async () => {
  const third = privateKey();
  const without = await workerWith({ AGENT_ENV_VARS_PRIVATE_KEY: third });
  const refused = await without.platform.post("rotate", USER);
  expect([refused.status, refused.body]).toEqual([
    409,
    expect.objectContaining({
      code: "conflict",
      reason: "secrets_unreadable",
      names: ["MY_SECRET", "TELEGRAM_BOT_TOKEN"],
    }),
  ]);
  const hindered = await without.platform.post("restart", USER);
  expect(hindered.body).toMatchObject({ reason: "secrets_unreadable" });
  expect(await variables(without.worker)).toEqual({});
  await without.worker.close();
  const again = await workerWith({ AGENT_ENV_VARS_PRIVATE_KEY: second });
  expect((await again.platform.post("restart", USER)).body).toMatchObject({ status: "running" });
  expect(await variables(again.worker)).toEqual(SECRETS);
}, 60_000);

it("S04: without a private key no sealed value is taken, and a machine that has one is neither changed nor deleted", async () => {
  const { worker, platform } = await workerWith({});
  const headers = { "x-internal-api-key": world.secrets.INTERNAL_API_SECRET };
  expect((await ask(worker.url, "/api/platform/public-key", { headers })).body).toMatchObject({
    status: 503,
    code: "misconfigured",
  });
  const before = await platform.status(USER);
  const encryptedSecrets = { OTHER: await sealSecret("other", oldKey, { name: "OTHER", userId: USER }) };
  expect((await platform.post("provision", USER, { encryptedSecrets })).body).toMatchObject({
    status: 503,
    code: "misconfigured",
  });
  await until(
    () => worker.log.join("\n"),
    (log) => log.includes("AGENT_ENV_VARS_PRIVATE_KEY"),
  );
  expect((await platform.post("restart", USER)).body).toMatchObject({ reason: "secrets_unreadable" });
  const after = await platform.status(USER);
  expect(after).toMatchObject({
    flyMachineId: before.flyMachineId,
    flyVolumeId: before.flyVolumeId,
    lastError: { code: "secrets_unreadable", message: expect.stringContaining("MY_SECRET") },
  });
  expect(await view.app(after.flyAppName ?? "")).toMatchObject({ machines: 1, volumes: 1 });
  await worker.close();
}, 60_000);

it("gives a machine that is not updated yet a secret by which its older environment opens", async () => {
  const seal = createEnvSeal(world.secrets.GATEWAY_TOKEN_SECRET);
  const older = await seal.seal(SECRETS, "sandbox", 7);
  const opens = async (keyVersion: number): Promise<boolean> => {
    const KILOCLAW_ENV_KEY = await seal.appSecret("sandbox", keyVersion);
    return (await unsealEnvironment({ ...older, KILOCLAW_ENV_KEY })).ok;
  };
  expect([await opens(7), await opens(8), await opens(9)]).toEqual([true, true, false]);
});

async function workerWith(
  keys: Record<string, string>,
): Promise<{ worker: RunningWorker; platform: Platform }> {
  const bindings = { ...OWN_APPS, ...keys };
  const worker = await world.startWorker({ fly, databaseUrl, bindings, persistDir: "rotation" });
  logs.push(worker.log);
  return { worker, platform: platformOf(world, worker.url) };
}

async function publicKeyOf({ url }: RunningWorker): Promise<PublicKey> {
  const headers = { "x-internal-api-key": world.secrets.INTERNAL_API_SECRET };
  const { body } = await ask(url, "/api/platform/public-key", { headers });
  return keysSchema.parse(body).keys[0];
}

/** What the machine has of the secrets; nothing where the gateway is not reached. */
async function variables({ url }: RunningWorker): Promise<Record<string, string>> {
  const read = Object.keys(SECRETS).map(async (name) => {
    const { status, text } = await ask(url, `/variable?name=${name}`, { headers: owner });
    return [name, status === 200 ? text : ""] as const;
  });
  return Object.fromEntries((await Promise.all(read)).filter(([, text]) => text !== ""));
}

/** The ids of the keys by which the machine's variables are sealed. */
async function keyIdsAtFly(platform: Platform): Promise<string[]> {
  const { flyAppName, flyMachineId } = await platform.status(USER);
  const env = await view.variablesOf(flyAppName ?? "", flyMachineId ?? "");
  const ids = Object.entries(env).flatMap(([name, value]) => {
    if (!name.startsWith("KILOCLAW_SEALED_")) return [];
    const header: unknown = JSON.parse(Buffer.from(value.split(".")[0] ?? "", "base64url").toString());
    return [z.object({ kid: z.string() }).parse(header).kid];
  });
  return [...new Set(ids)];
}

function privateKey(): string {
  return generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey.export({
    type: "pkcs8",
    format: "pem",
  });
}

/** A line of a PEM that is no other's. */
function bodyOf(pem: string): string {
  return pem.split("\n")[3] ?? pem;
}
