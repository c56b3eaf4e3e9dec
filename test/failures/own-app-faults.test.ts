import { afterAll, beforeAll, expect, it } from "vitest";
import { appNameOf } from "../../src/instance/names.ts";
import { type FlyView, flyView } from "./support/fly-view.ts";
import { ORG_SLUG, OWN_APPS } from "./support/own-app.ts";
import { type Platform, platformOf } from "./support/platform.ts";
import { until } from "./support/until.ts";
import { World } from "./support/world.ts";

let world: World;
let view: FlyView;
let platform: Platform;

beforeAll(async () => {
  world = await World.open();
  const [fly, database] = await Promise.all([world.startFly({ testMode: true }), world.startDatabase()]);
  view = flyView(fly, world.secrets.FLY_API_TOKEN);
  const worker = await world.startWorker({ fly, databaseUrl: database.workerUrl, bindings: OWN_APPS });
  platform = platformOf(world, worker.url);
}, 60_000);

afterAll(() => world?.close());

it("makes and deletes one app, whichever answers of Fly about it are lost", async () => {
  const user = "answers-lost";
  const app = appNameOf(user, 0);
  const lost = (action: string, times = 1) => ({
    match: { action },
    phase: "after",
    times,
    effect: { kind: "lost" },
  });
  await view.fault(lost("app_create"), lost("ip_create", 2), lost("secret_set"), lost("app_delete"));
  expect((await platform.post("provision", user)).status).toBe(201);
  expect((await platform.post("start", user)).body).toEqual({ ok: true, status: "running" });
  expect(await view.appsOf(ORG_SLUG)).toEqual([app]);
  const made = await view.app(app);
  expect(made).toMatchObject({ machines: 1, volumes: 1, secrets: ["KILOCLAW_ENV_KEY"] });
  expect(made?.addresses).toHaveLength(2);

  await platform.post("destroy", user);
  await until(
    () => platform.status(user),
    ({ status }) => status === null,
    40_000,
  );
  expect(await view.app(app)).toBeNull();
  expect(await view.faultsHappened()).toBe(5);
}, 90_000);

it.each(["app_create", "ip_create", "secret_set"])(
  "leaves no app behind when the user has second thoughts during a slow %s",
  async (action) => {
    const user = `second-thoughts-${action}`;
    const before = await view.faultsHappened();
    await view.fault({ match: { action }, effect: { kind: "delay", forMs: 2_000 } });
    const provisioning = platform.post("provision", user);
    await until(
      () => view.faultsHappened(),
      (happened) => happened > before,
    );
    await platform.post("destroy", user);
    await provisioning;
    await until(
      () => platform.status(user),
      ({ status }) => status === null,
      40_000,
    );
    expect(await view.appsOf(ORG_SLUG)).toEqual([]);
  },
  60_000,
);
