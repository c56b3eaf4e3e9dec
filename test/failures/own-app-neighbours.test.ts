import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalFly } from "../../infrastructure/local/fly/index.ts";
import { appNameOf } from "../../src/instance/names.ts";
import { type FlyView, flyView } from "./support/fly-view.ts";
import { ORG_SLUG, OWN_APPS, tokensOf } from "./support/own-app.ts";
import { ask, type Platform, platformOf } from "./support/platform.ts";
import { bearerOf, enrol } from "./support/user.ts";
import { type RunningWorker, World } from "./support/world.ts";

/** Names that are tried after the first. */
const RENAMES_MAX = 5;

let world: World;
let fly: LocalFly;
let view: FlyView;
let worker: RunningWorker;
let platform: Platform;
let adminUrl: string;

beforeAll(async () => {
  world = await World.open();
  const [startedFly, database] = await Promise.all([
    world.startFly({ testMode: true }),
    world.startDatabase(),
  ]);
  fly = startedFly;
  view = flyView(fly, world.secrets.FLY_API_TOKEN);
  ({ adminUrl } = database);
  worker = await world.startWorker({ fly, databaseUrl: database.workerUrl, bindings: OWN_APPS });
  platform = platformOf(world, worker.url);
}, 60_000);

afterAll(() => world?.close());

it("keeps two tenants apart: two apps, two networks, and nobody's proof opens the other's machine", async () => {
  const [anna, ben] = await Promise.all([running("anna"), running("ben")]);
  expect(anna.app).not.toBe(ben.app);
  const [annasApp, bensApp] = await Promise.all([view.app(anna.app), view.app(ben.app)]);
  expect(annasApp).toMatchObject({ network: anna.app, machines: 1, volumes: 1 });
  expect(bensApp).toMatchObject({ network: ben.app, machines: 1, volumes: 1 });

  const answers = await Promise.all(
    [anna, ben].map(async ({ machineId }) => [
      await statusAt(machineId, anna.proxyToken),
      await statusAt(machineId, ben.proxyToken),
    ]),
  );
  expect(answers).toEqual([
    [200, 401],
    [401, 200],
  ]);
  expect([await nameOf(anna), await nameOf(ben)]).toEqual(["anna", "ben"]);
}, 60_000);

it.each([
  ["that shows it to nobody", (name: string) => view.happen({ kind: "foreign_app", app: name })],
  ["that lets it be seen", (name: string) => view.createApp(name, "strangers")],
])(
  "takes another name where a stranger has the app's, %s",
  async (what, take) => {
    const user = `second-name ${what}`;
    await take(appNameOf(user, 0));
    expect((await platform.post("provision", user)).status).toBe(201);
    expect((await platform.post("start", user)).body).toEqual({ ok: true, status: "running" });
    const { flyAppName } = await platform.status(user);
    expect(flyAppName).toBe(appNameOf(user, 1));
    expect(await view.app(appNameOf(user, 1))).toMatchObject({ orgSlug: ORG_SLUG, machines: 1, volumes: 1 });

    expect((await platform.post("destroy", user)).status).toBe(200);
    expect(await view.app(appNameOf(user, 1))).toBeNull();
  },
  60_000,
);

it("touches nothing in an app of that name that is another organization's", async () => {
  const user = "second-name that lets it be seen";
  expect(await view.app(appNameOf(user, 0))).toEqual({
    network: "default",
    orgSlug: "strangers",
    machines: 0,
    volumes: 0,
    addresses: [],
    secrets: [],
  });
});

it("tells that every name the app could have is taken, and takes none of them", async () => {
  const user = "nameless";
  const names = Array.from({ length: RENAMES_MAX + 1 }, (_none, renames) => appNameOf(user, renames));
  for (const app of names) await view.happen({ kind: "foreign_app", app });
  await platform.post("provision", user);
  // Whoever asks again does not wait for the pause after a name that was taken.
  for (const app of [...names.slice(1), names.at(-1)]) {
    const started = await platform.post("start", user);
    expect([started.status, started.body["reason"]]).toEqual([502, "app_name_taken"]);
    expect((await platform.status(user)).flyAppName).toBe(app);
  }
  const { lastError } = await platform.status(user);
  expect(lastError?.message).toContain("Every name");
  const ours = await view.appsOf(ORG_SLUG);
  expect(names.filter((name) => ours.includes(name))).toEqual([]);
}, 60_000);

type Tenant = {
  app: string;
  machineId: string;
  proxyToken: string;
  owner: { authorization: string };
};

/** A tenant whose machine runs, with the user's id in a variable of it. */
async function running(user: string): Promise<Tenant> {
  await enrol(adminUrl, user);
  await platform.post("provision", user, { envVars: { NAME: user } });
  expect((await platform.post("start", user)).body).toEqual({ ok: true, status: "running" });
  const { flyAppName, flyMachineId, sandboxId } = await platform.status(user);
  const { proxyToken } = await tokensOf(world, sandboxId ?? "");
  const owner = await bearerOf(world, user);
  return { app: flyAppName ?? "", machineId: flyMachineId ?? "", proxyToken, owner };
}

/** As somebody asks who knows a machine's id, past the Worker. */
async function statusAt(machineId: string, proxyToken: string): Promise<number> {
  const headers = { "fly-force-instance-id": machineId, "x-kiloclaw-proxy-token": proxyToken };
  return (await ask(fly.proxyUrl, "/", { headers })).status;
}

async function nameOf({ owner }: Tenant): Promise<string> {
  return (await ask(worker.url, "/variable?name=NAME", { headers: owner })).text;
}
