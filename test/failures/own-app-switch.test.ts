import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalFly } from "../../infrastructure/local/fly/index.ts";
import type { LocalPostgres } from "../../infrastructure/local/postgres.ts";
import { appNameOf } from "../../src/instance/names.ts";
import { type FlyView, flyView } from "./support/fly-view.ts";
import {
  everythingAtFly,
  foundIn,
  ORG_SLUG,
  OWN_APPS,
  SECRET_SETTINGS,
  secretsOf,
} from "./support/own-app.ts";
import { ask, type Platform, platformOf } from "./support/platform.ts";
import { bearerOf, enrol } from "./support/user.ts";
import { FLY_APP_NAME, type RunningWorker, World } from "./support/world.ts";

const USER = "early-tenant";

let world: World;
let fly: LocalFly;
let view: FlyView;
let database: LocalPostgres;
let worker: RunningWorker;
let platform: Platform;

beforeAll(async () => {
  world = await World.open();
  [fly, database] = await Promise.all([world.startFly(), world.startDatabase()]);
  view = flyView(fly, world.secrets.FLY_API_TOKEN);
  await enrol(database.adminUrl, USER);
  await deploy({ FLY_ORG_SLUG: ORG_SLUG });
}, 60_000);

afterAll(() => world?.close());

it("keeps all machines in the one app that FLY_APP_NAME names, also beside FLY_ORG_SLUG", async () => {
  const provisioned = await platform.post("provision", USER, SECRET_SETTINGS);
  expect((await platform.post("start", USER)).body).toEqual({ ok: true, status: "running" });
  expect(await platform.status(USER)).toMatchObject({ flyAppName: FLY_APP_NAME });
  expect(await view.app(FLY_APP_NAME)).toMatchObject({ machines: 1, volumes: 1, secrets: [] });
  expect(await view.appsOf(ORG_SLUG)).toEqual([]);
  // In the open: the key to them could only be a secret of the app, which every machine in it would get.
  const secrets = await secretsOf(world, String(provisioned.body["sandboxId"]));
  expect(foundIn(await everythingAtFly(world), secrets)).toEqual(Object.keys(secrets));
});

it("leaves instances where they are when a deployment turns to apps of the tenants' own, and gives one to the next", async () => {
  await worker.close();
  await deploy(OWN_APPS);
  expect(await variable(USER, "MY_PASSWORD")).toBe(SECRET_SETTINGS.envVars.MY_PASSWORD);
  expect((await platform.post("restart", USER)).body).toEqual({ ok: true, status: "running" });
  expect(await variable(USER, "MY_PASSWORD")).toBe(SECRET_SETTINGS.envVars.MY_PASSWORD);
  expect(await view.app(FLY_APP_NAME)).toMatchObject({ machines: 1, volumes: 1 });

  await platform.post("provision", "later-tenant");
  expect((await platform.post("start", "later-tenant")).body).toEqual({ ok: true, status: "running" });
  expect(await view.appsOf(ORG_SLUG)).toEqual([appNameOf("later-tenant", 0)]);
});

it("deletes an instance from the common app, and never that app", async () => {
  expect((await platform.post("destroy", USER)).status).toBe(200);
  expect(await view.app(FLY_APP_NAME)).toMatchObject({ machines: 0, volumes: 0 });
});

/** Another deployment of the same Worker, with what it has stored. */
async function deploy(bindings: Record<string, string>): Promise<void> {
  worker = await world.startWorker({ fly, databaseUrl: database.workerUrl, bindings });
  platform = platformOf(world, worker.url);
}

async function variable(user: string, name: string): Promise<string> {
  const headers = await bearerOf(world, user);
  return (await ask(worker.url, `/variable?name=${name}`, { headers })).text;
}
