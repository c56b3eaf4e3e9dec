import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import type { LocalFly } from "../../infrastructure/local/fly/index.ts";
import type { LogEntry } from "../../infrastructure/local/fly/log.ts";
import { controllerRuntime } from "./support/controller-image.ts";
import { type FlyView, flyView } from "./support/fly-view.ts";
import {
  everythingAtFly,
  foundIn,
  keyOf,
  OWN_APPS,
  SECRET_SETTINGS,
  secretsOf,
  tokensOf,
} from "./support/own-app.ts";
import { ask, type Platform, platformOf } from "./support/platform.ts";
import { bearerOf, enrol } from "./support/user.ts";
import { type RunningWorker, World } from "./support/world.ts";

const variablesSchema = z.record(z.string(), z.string());
const USERS = ["anna", "ben"];

let world: World;
let fly: LocalFly;
let view: FlyView;
let worker: RunningWorker;
let platform: Platform;
/** What the controllers and gateways printed. */
const printed: string[] = [];

beforeAll(async () => {
  world = await World.open();
  const [startedFly, database] = await Promise.all([
    controllerRuntime(join(world.dir, "openclaw")).then((runtime) =>
      world.startFly({ runtime, log: (entry: LogEntry) => void printed.push(JSON.stringify(entry)) }),
    ),
    world.startDatabase(),
  ]);
  fly = startedFly;
  view = flyView(fly, world.secrets.FLY_API_TOKEN);
  worker = await world.startWorker({ fly, databaseUrl: database.workerUrl, bindings: OWN_APPS });
  platform = platformOf(world, worker.url);
  for (const user of USERS) await enrol(database.adminUrl, user);
}, 60_000);

afterAll(() => world?.close());

it("brings the controller up on what only it can open, and the gateway without a token of ours", async () => {
  for (const user of USERS) await platform.post("provision", user, SECRET_SETTINGS);
  const started = await Promise.all(USERS.map((user) => platform.post("start", user)));
  expect(started.map(({ body }) => body["status"])).toEqual(["running", "running"]);
  const page = await ask(worker.url, "/env", { headers: await bearerOf(world, "anna") });
  const gateway = variablesSchema.parse(JSON.parse(page.text));
  expect(gateway).toMatchObject({ MY_PASSWORD: SECRET_SETTINGS.envVars.MY_PASSWORD });
  // Keys and tokens are where a gateway of this version reads them.
  const file = await readFile(gateway["OPENCLAW_KILOCLAW_SECRETS_FILE"] ?? "", "utf8");
  expect(variablesSchema.parse(JSON.parse(file))).toMatchObject({
    KILOCODE_API_KEY: SECRET_SETTINGS.kilocodeApiKey,
    TELEGRAM_BOT_TOKEN: SECRET_SETTINGS.channels.telegramBotToken,
  });
  expect(Object.keys(gateway).filter((name) => name.startsWith("KILOCLAW_"))).toEqual([]);
});

it("lets each gateway token open the routes of its own controller alone", async () => {
  const [anna, ben] = await Promise.all([tenant("anna"), tenant("ben")]);
  expect(await versionAt(anna, anna)).toBe(200);
  expect(await versionAt(ben, ben)).toBe(200);
  expect(await versionAt(anna, ben)).toBe(401);
  expect(await versionAt(ben, anna)).toBe(401);
});

it("comes back with changed settings, and has told nobody a secret", async () => {
  const changed = { envVars: { ...SECRET_SETTINGS.envVars, COLOUR: "green" } };
  await platform.post("provision", "anna", changed);
  expect((await platform.post("restart", "anna")).body).toEqual({ ok: true, status: "running" });
  const page = await ask(worker.url, "/env", { headers: await bearerOf(world, "anna") });
  expect(JSON.parse(page.text)).toMatchObject({ COLOUR: "green" });

  const { sandboxId } = await tenant("anna");
  const secrets = await secretsOf(world, sandboxId);
  const envKey = await keyOf(world, sandboxId);
  expect(printed.join("\n")).toContain("the controller listens");
  expect(foundIn([...printed, ...worker.log].join("\n"), { ...secrets, envKey })).toEqual([]);
  expect(foundIn(await everythingAtFly(world), secrets)).toEqual([]);
});

it("goes, and its app with it", async () => {
  const { app } = await tenant("anna");
  await platform.post("stop", "anna");
  expect((await platform.post("destroy", "anna")).status).toBe(200);
  expect(await view.app(app)).toBeNull();
  expect(await platform.status("ben")).toMatchObject({ status: "running", lastError: null });
});

type Tenant = { app: string; machineId: string; sandboxId: string };

async function tenant(user: string): Promise<Tenant> {
  const { flyAppName, flyMachineId, sandboxId } = await platform.status(user);
  return { app: flyAppName ?? "", machineId: flyMachineId ?? "", sandboxId: sandboxId ?? "" };
}

/** The answer to one tenant's gateway token at another's controller, past the Worker. */
async function versionAt({ machineId }: Tenant, holder: Tenant): Promise<number> {
  const { gatewayToken } = await tokensOf(world, holder.sandboxId);
  const headers = { "fly-force-instance-id": machineId, authorization: `Bearer ${gatewayToken}` };
  return (await ask(fly.proxyUrl, "/_kilo/version", { headers })).status;
}
