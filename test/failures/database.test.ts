import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startMuteServers } from "../support/mute-servers.ts";
import { type Answer, ask, type Platform, platformOf } from "./support/platform.ts";
import { type Relay, startRelay } from "./support/relay.ts";
import { upgradeStatus } from "./support/upgrade.ts";
import { bearerOf, enrol, withRegistry } from "./support/user.ts";
import { type RunningWorker, World } from "./support/world.ts";

const USER = "owner";
const CODE = "ABCDE-23456";
/** A query gets four seconds; a browser's patience is longer. */
const ANSWER_MS_MAX = 8_000;

let world: World;
let worker: RunningWorker;
let platform: Platform;
let relay: Relay;
let user: { authorization: string };
let urls: { database: string; silent: string; hangingUp: string; nobody: null };

beforeAll(async () => {
  world = await World.open();
  const [fly, database, muteServers] = await Promise.all([
    world.startFly(),
    world.startDatabase(),
    startMuteServers(),
  ]);
  world.onClose(() => muteServers.close());
  relay = await startRelay();
  world.onClose(() => relay.close());
  urls = {
    database: database.adminUrl,
    silent: muteServers.silentUrl,
    hangingUp: muteServers.hangUpUrl,
    nobody: null,
  };
  await enrol(database.adminUrl, USER);
  await withRegistry(
    database.adminUrl,
    (sql) => sql`
      insert into kiloclaw_access_codes (code, kilo_user_id, status, expires_at)
      values (${CODE}, ${USER}, 'active', now() + interval '1 hour')`,
  );
  const databaseUrl = new URL(database.workerUrl);
  databaseUrl.port = String(relay.port);
  worker = await world.startWorker({ fly, databaseUrl: databaseUrl.href });
  platform = platformOf(world, worker.url);
  user = await bearerOf(world, USER);
  await relay.leadTo(urls.database);
  await platform.post("provision", USER);
  await platform.post("start", USER);
}, 60_000);

afterAll(() => world?.close());

const redeem = (): Promise<Answer> =>
  ask(worker.url, "/kilo-access-gateway", {
    method: "POST",
    headers: { "sec-fetch-site": "same-origin" },
    body: new URLSearchParams({ userId: USER, code: CODE }),
  });

describe.each([
  ["refuses connections", "nobody"],
  ["hangs up", "hangingUp"],
  ["says nothing", "silent"],
] as const)("while the database %s", (_what, behind) => {
  afterEach(() => relay.leadTo(urls.database));

  it("lets nobody in, says when to come back, and keeps the platform's routes up", async () => {
    await relay.leadTo(urls[behind]);
    const askedAt = performance.now();
    const [view, start, proxied, page, redeemed, status, upgrade] = await Promise.all([
      ask(worker.url, "/api/kiloclaw/status", { headers: user }),
      ask(worker.url, "/api/kiloclaw/start", { method: "POST", headers: user }),
      ask(worker.url, "/chat", { headers: user }),
      ask(worker.url, "/chat", { headers: { ...user, accept: "text/html" } }),
      redeem(),
      platform.status(USER),
      upgradeStatus(worker.url, user),
    ]);
    expect(performance.now() - askedAt).toBeLessThan(ANSWER_MS_MAX);
    for (const answer of [view, start, proxied]) {
      expect([answer.status, answer.body["code"]]).toEqual([503, "unavailable"]);
    }
    for (const answer of [page, redeemed]) {
      expect(answer.status).toBe(503);
      expect(answer.headers.get("content-type")).toMatch(/^text\/html/);
    }
    for (const answer of [view, start, proxied, page, redeemed]) {
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    expect(upgrade).toBe(503);
    expect(redeemed.headers.getSetCookie()).toEqual([]);
    expect(status).toMatchObject({ status: "running", lastError: null });
  });
});

it("lets the user in again as soon as the database is back, with the code that was not used up", async () => {
  await relay.leadTo(urls.database);
  expect((await ask(worker.url, "/chat", { headers: user })).status).toBe(200);
  expect(await upgradeStatus(worker.url, user)).toBe(101);
  const redeemed = await redeem();
  expect([redeemed.status, redeemed.headers.get("location")]).toEqual([303, "/"]);
  expect((await redeem()).status).toBe(401);
});

it("has told the log what is wrong, and no secret", () => {
  const log = worker.log.join("\n");
  expect(log).toContain("registry_unavailable");
  expect(log).not.toContain(CODE);
  expect(log).not.toContain(new URL(urls.database).password);
  expect(world.leaksIn(log)).toEqual([]);
});
