import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalFly } from "../../infrastructure/local/fly/index.ts";
import { appNameOf } from "../../src/instance/names.ts";
import { type FlyView, flyView } from "./support/fly-view.ts";
import {
  everythingAtFly,
  foundIn,
  keyOf,
  ORG_SLUG,
  OWN_APPS,
  pageSchema,
  SECRET_SETTINGS,
  secretsOf,
} from "./support/own-app.ts";
import { ask, type Platform, platformOf } from "./support/platform.ts";
import { bearerOf, enrol } from "./support/user.ts";
import { type RunningWorker, World } from "./support/world.ts";

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

describe("a tenant with an app of its own", () => {
  const user = "tenant";
  const app = appNameOf(user, 0);
  let owner: { authorization: string };
  let sandboxId: string;

  it("has the app, its addresses and its key as soon as it is provisioned", async () => {
    await enrol(adminUrl, user);
    owner = await bearerOf(world, user);
    const provisioned = await platform.post("provision", user, SECRET_SETTINGS);
    expect(provisioned.status).toBe(201);
    sandboxId = String(provisioned.body["sandboxId"]);
    expect(await platform.status(user)).toMatchObject({ status: "provisioned", flyAppName: app });
    const made = await view.app(app);
    expect(made).toMatchObject({ network: app, orgSlug: ORG_SLUG, secrets: ["KILOCLAW_ENV_KEY"] });
    expect(made?.addresses.map((ip) => (ip.includes(":") ? "v6" : "v4")).toSorted()).toEqual(["v4", "v6"]);
  });

  it("runs in it, with the variables that were sealed for it", async () => {
    expect((await platform.post("start", user)).body).toEqual({ ok: true, status: "running" });
    expect(await view.app(app)).toMatchObject({ machines: 1, volumes: 1 });
    const page = await ask(worker.url, "/chat?x=1", { headers: owner });
    expect(page.status).toBe(200);
    const { url, env } = pageSchema.parse(page.body);
    expect(url).toBe("/chat?x=1");
    expect(env).toEqual(expect.arrayContaining(["MY_PASSWORD", "KILOCODE_API_KEY", "SLACK_APP_TOKEN"]));
    expect(env.filter((name) => name.startsWith("KILOCLAW_SEALED") || name === "KILOCLAW_ENV_KEY")).toEqual(
      [],
    );
    expect(await variable("MY_PASSWORD")).toBe(SECRET_SETTINGS.envVars.MY_PASSWORD);
    // Its machine is behind the app's own host name, where nobody gets in without the Worker's proof.
    expect(await view.byHost(`${app}.fly.dev`)).toBe(401);
  });

  it("takes over changed settings with a restart", async () => {
    const changed = { envVars: { ...SECRET_SETTINGS.envVars, COLOUR: "green" } };
    expect((await platform.post("provision", user, changed)).status).toBe(201);
    expect((await platform.post("restart", user)).body).toEqual({ ok: true, status: "running" });
    expect(await variable("COLOUR")).toBe("green");
    expect(await view.app(app)).toMatchObject({ machines: 1, volumes: 1 });
  });

  it("shows nothing of itself at Fly, in the log or in its events, whatever Fly has kept of it", async () => {
    const { flyMachineId } = await platform.status(user);
    const variables = await view.variablesOf(app, flyMachineId ?? "");
    expect(Object.keys(variables)).toEqual(
      expect.arrayContaining(["KILOCLAW_SEALED_MY_PASSWORD", "KILOCLAW_SEALED_KILOCLAW_GATEWAY_TOKEN"]),
    );
    expect(Object.keys(variables).filter((name) => !name.startsWith("KILOCLAW_SEALED_"))).toEqual([
      "KILOCLAW_SANDBOX_ID",
    ]);
    const secrets = await secretsOf(world, sandboxId);
    const envKey = await keyOf(world, sandboxId);
    const kept = await everythingAtFly(world);
    // Only the key is there, as a secret of the app: so what is searched is what Fly was given.
    expect(foundIn(kept, { ...secrets, envKey })).toEqual(["envKey"]);
    const told = [JSON.stringify(await platform.events(user)), ...worker.log].join("\n");
    expect(foundIn(told, { ...secrets, envKey })).toEqual([]);
    expect(world.leaksIn(told, kept)).toEqual([]);
  });

  it("stops, and keeps app and data", async () => {
    expect((await platform.post("stop", user)).body).toEqual({ ok: true, status: "stopped" });
    const page = await ask(worker.url, "/chat", { headers: { ...owner, accept: "text/html" } });
    expect(page.text).toContain('data-status="stopped"');
    expect(await view.app(app)).toMatchObject({ machines: 1, volumes: 1, secrets: ["KILOCLAW_ENV_KEY"] });
  });

  it("leaves nothing at Fly when it is destroyed", async () => {
    expect((await platform.post("destroy", user)).status).toBe(200);
    expect(await platform.status(user)).toMatchObject({ status: null });
    expect(await view.app(app)).toBeNull();
    expect(await view.appsOf(ORG_SLUG)).not.toContain(app);
  });

  async function variable(name: string): Promise<string> {
    return (await ask(worker.url, `/variable?name=${name}`, { headers: owner })).text;
  }
});
