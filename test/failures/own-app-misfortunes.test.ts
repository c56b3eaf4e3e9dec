import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalFly } from "../../infrastructure/local/fly/index.ts";
import type { LocalPostgres } from "../../infrastructure/local/postgres.ts";
import { sandboxIdOf } from "../../src/auth/sandbox-id.ts";
import { appNameOf } from "../../src/instance/names.ts";
import { type FlyView, flyView } from "./support/fly-view.ts";
import { ORG_SLUG, OWN_APPS } from "./support/own-app.ts";
import { ask, type Platform, platformOf } from "./support/platform.ts";
import { until } from "./support/until.ts";
import { enrol, withRegistry } from "./support/user.ts";
import { World } from "./support/world.ts";

const APP_DELETE_MS = 1_500;

let world: World;
let fly: LocalFly;
let view: FlyView;
let database: LocalPostgres;
let platform: Platform;
let workers = 0;

beforeAll(async () => {
  world = await World.open();
  [fly, database] = await Promise.all([
    world.startFly({ testMode: true, timings: { appDeleteMs: APP_DELETE_MS } }),
    world.startDatabase(),
  ]);
  view = flyView(fly, world.secrets.FLY_API_TOKEN);
  platform = await anotherWorker({});
}, 60_000);

afterAll(() => world?.close());

// Each waits more than it works, and has a user of its own.
describe.concurrent("an instance with an app of its own", () => {
  it("is gone soon after its app, which Fly deletes in its own time", async () => {
    const user = "leaving";
    await platform.post("provision", user);
    const askedAt = performance.now();
    expect((await platform.post("destroy", user)).status).toBe(200);
    expect(await view.app(appNameOf(user, 0))).toBeNull();
    expect(performance.now() - askedAt).toBeLessThan(APP_DELETE_MS + 5_000);
  }, 60_000);

  it("can be destroyed though a stranger has the name of its app", async () => {
    const user = "nameless";
    await view.happen({ kind: "foreign_app", app: appNameOf(user, 0) });
    await platform.post("provision", user);
    await platform.post("destroy", user);
    expect(await gone(platform, user, 20_000)).toMatchObject({ flyAppName: null });
  }, 60_000);

  it("leaves no app behind that Fly did not show yet when it was destroyed", async () => {
    const user = "hasty";
    const app = appNameOf(user, 0);
    // Fly may not show for ten seconds what was made just now (fly-machines-api.md F-05).
    const effect = { kind: "error", status: 404, body: { error: "app not found" } };
    await view.fault({ match: { action: "app_get", app }, times: 5, effect });
    const provisioning = platform.post("provision", user);
    await until(
      () => view.appsOf(ORG_SLUG),
      (apps) => apps.includes(app),
    );
    await platform.post("destroy", user);
    await provisioning;
    expect(await gone(platform, user, 50_000)).toMatchObject({ flyAppName: null });
    expect(await view.appsOf(ORG_SLUG)).not.toContain(app);
  }, 90_000);

  it("comes back with a restart after the key to its environment was taken away", async () => {
    const user = "keyless";
    const app = appNameOf(user, 0);
    await running(platform, user);
    await byHand("DELETE", `apps/${app}/secrets/KILOCLAW_ENV_KEY`);
    await platform.post("restart", user);
    const { flyAppName } = await until(() => platform.status(user), isRunning, 40_000);
    expect(await view.app(flyAppName ?? "")).toMatchObject({ secrets: ["KILOCLAW_ENV_KEY"] });
  }, 90_000);

  it("comes back with a restart after the secret that its tokens are made from was changed", async () => {
    const user = "rotated";
    const persistDir = "rotated";
    const before = await anotherWorker({ persistDir });
    await running(before, user);
    const after = await anotherWorker({ persistDir, gatewayTokenSecret: "of thirty-two characters or more" });
    await after.post("restart", user);
    expect(await until(() => after.status(user), isRunning, 40_000)).toMatchObject({ lastError: null });
  }, 90_000);

  it("comes back empty, and says so, after somebody deleted its app by hand", async () => {
    const user = "bereft";
    const app = appNameOf(user, 0);
    await running(platform, user);
    await byHand("DELETE", `apps/${app}?force=true`);
    await until(
      () => view.app(app),
      (made) => made === null,
    );
    await platform.post("repair", user);
    await until(() => platform.status(user), isRunning, 150_000);
    expect(await view.app(app)).toMatchObject({ machines: 1, volumes: 1, secrets: ["KILOCLAW_ENV_KEY"] });
    const warnings = (await platform.events(user)).filter(({ kind }) => kind === "warning");
    expect(warnings.map(({ what }) => what)).toEqual(["data_loss"]);
  }, 180_000);

  it("gets its app made again that was deleted by hand before it was ready", async () => {
    const user = "unfinished";
    const app = appNameOf(user, 0);
    const rule = { match: { action: "secret_set", app }, effect: { kind: "delay", forMs: 4_000 } };
    await view.fault(rule);
    const provisioning = platform.post("provision", user);
    await until(
      () => view.app(app),
      (made) => made !== null && made.addresses.length === 2,
    );
    await byHand("DELETE", `apps/${app}?force=true`);
    await provisioning;
    await platform.post("start", user);
    await until(() => platform.status(user), isRunning, 120_000);
    expect(await view.app(app)).toMatchObject({ machines: 1, secrets: ["KILOCLAW_ENV_KEY"] });
  }, 150_000);

  it("is found again in an app with a later name, also when the first has become free", async () => {
    const user = "found-again";
    await registered(user);
    await view.createApp(appNameOf(user, 0), "strangers");
    const machineId = await running(platform, user);
    expect((await platform.status(user)).flyAppName).toBe(appNameOf(user, 1));
    await byHand("DELETE", `apps/${appNameOf(user, 0)}?force=true`);
    await until(
      () => view.app(appNameOf(user, 0)),
      (made) => made === null,
    );

    const restored = await anotherWorker({ persistDir: "wiped" });
    await restored.post("start", user);
    const { flyAppName, flyMachineId } = await until(() => restored.status(user), isRunning, 120_000);
    expect([flyAppName, flyMachineId]).toEqual([appNameOf(user, 1), machineId]);
  }, 300_000);

  it("can be stopped by its user though Fly does not tell its app's addresses", async () => {
    const user = "unstoppable";
    const app = appNameOf(user, 0);
    await registered(user);
    await running(platform, user);
    const effect = { kind: "error", status: 500, body: { error: "internal" } };
    await view.fault({ match: { action: "ip_list", app }, times: 1_000_000, effect });
    const restored = await anotherWorker({ persistDir: "wiped-too" });
    await restored.post("stop", user);
    const { lastError } = await until(
      () => restored.status(user),
      ({ status, flyMachineId }) => status === "stopped" && flyMachineId !== null,
      40_000,
    );
    expect(lastError).toBeNull();
  }, 150_000);
});

type Status = Awaited<ReturnType<Platform["status"]>>;

function isRunning({ status, lastError }: Status): boolean {
  return status === "running" && lastError === null;
}

async function gone(at: Platform, user: string, withinMs: number): Promise<Status> {
  return until(
    () => at.status(user),
    ({ status }) => status === null,
    withinMs,
  );
}

/** Brings the user's instance up; gives its machine. */
async function running(at: Platform, user: string): Promise<string> {
  await at.post("provision", user);
  await at.post("start", user);
  const { flyMachineId } = await until(() => at.status(user), isRunning, 90_000);
  return flyMachineId ?? "";
}

/** An instance that the registry has known for a day, so that it is looked for where an object knows nothing of it. */
async function registered(user: string): Promise<void> {
  await enrol(database.adminUrl, user);
  const sandboxId = await sandboxIdOf(user);
  await withRegistry(
    database.adminUrl,
    (sql) => sql`insert into kiloclaw_instances (user_id, sandbox_id, created_at)
      values (${user}, ${sandboxId}, now() - interval '1 day')`,
  );
}

/** What an operator does at Fly, past the Worker. */
async function byHand(method: string, path: string): Promise<void> {
  const headers = { authorization: `Bearer ${world.secrets.FLY_API_TOKEN}` };
  const answer = await ask(fly.apiUrl, `/v1/${path}`, { method, headers });
  if (answer.status >= 300) throw new Error(`Fly answers ${answer.status}: ${answer.text}`);
}

/** A Worker whose objects know what is stored in `persistDir`; another directory is one where they have forgotten all. */
async function anotherWorker(options: {
  persistDir?: string;
  gatewayTokenSecret?: string;
}): Promise<Platform> {
  workers += 1;
  const { gatewayTokenSecret, persistDir = `worker-${workers}` } = options;
  const secret = gatewayTokenSecret === undefined ? {} : { GATEWAY_TOKEN_SECRET: gatewayTokenSecret };
  const bindings = { ...OWN_APPS, ...secret };
  const worker = await world.startWorker({ fly, databaseUrl: database.workerUrl, bindings, persistDir });
  return platformOf(world, worker.url);
}
