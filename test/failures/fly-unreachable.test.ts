import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../support/local-start.ts";
import { type Platform, platformOf } from "./support/platform.ts";
import { until } from "./support/until.ts";
import { FLY_APP_NAME, type RunningWorker, World } from "./support/world.ts";

/** Passing faults are sat out for some seconds; then whoever waits is told. */
const ANSWER_MS_MAX = 20_000;
const USER = "early-bird";
/** Asks once, and then waits. */
const PATIENT = "patient";

let world: World;
let worker: RunningWorker;
let platform: Platform;
let ports: { apiPort: number; proxyPort: number };
const answered: string[] = [];

beforeAll(async () => {
  world = await World.open();
  ports = { apiPort: await freePort(), proxyPort: await freePort() };
  const database = await world.startDatabase();
  worker = await world.startWorker({
    databaseUrl: database.workerUrl,
    fly: {
      apiUrl: `http://127.0.0.1:${ports.apiPort}`,
      proxyUrl: `http://127.0.0.1:${ports.proxyPort}`,
    },
  });
  platform = platformOf(world, worker.url);
});

afterAll(() => world?.close());

it("keeps a provision for later, and says what is in the way and when it is tried again", async () => {
  const answers = await Promise.all(
    [USER, PATIENT].map((user) => platform.post("provision", user, { kilocodeApiKey: "sk-very-secret" })),
  );
  answered.push(...answers.map(({ text }) => text));
  expect(answers.map((answer) => answer.status)).toEqual([201, 201]);
  const { status, lastError } = await platform.status(USER);
  expect([status, lastError?.code]).toEqual(["provisioned", "fly_unreachable"]);
  expect(Date.parse(lastError?.nextTryAt ?? "")).toBeGreaterThan(0);
}, 60_000);

it("answers a start within a bound, with what is in the way and when to come back", async () => {
  const askedAt = performance.now();
  const [started, patient] = await Promise.all([
    platform.post("start", USER),
    platform.post("start", PATIENT),
  ]);
  answered.push(started.text, patient.text);
  expect(performance.now() - askedAt).toBeLessThan(ANSWER_MS_MAX);
  expect(started.status).toBe(502);
  expect(started.body).toMatchObject({
    code: "upstream_failed",
    reason: "fly_unreachable",
    instanceStatus: "starting",
  });
  const retryAfterS = Number(started.headers.get("retry-after"));
  expect(retryAfterS).toBeGreaterThanOrEqual(1);
  expect(retryAfterS).toBeLessThanOrEqual(60);
}, 60_000);

it("tells nobody a secret or an inner address", async () => {
  answered.push(
    JSON.stringify(await platform.status(USER)),
    JSON.stringify(await platform.events(USER)),
    ...worker.log,
  );
  expect(world.leaksIn(...answered)).toEqual([]);
  expect(answered.join("\n")).not.toContain("sk-very-secret");
  expect(answered.join("\n")).not.toContain(String(ports.apiPort));
});

it("brings the instance up when Fly is there, with one volume and one machine", async () => {
  await world.startFly(ports);
  const started = await platform.post("start", USER);
  expect([started.status, started.body]).toEqual([200, { ok: true, status: "running" }]);
  expect(await platform.status(USER)).toMatchObject({ status: "running", lastError: null });
}, 60_000);

it("carries a wish out by itself that was told while Fly was away", async () => {
  const patient = await until(
    () => platform.status(PATIENT),
    ({ status }) => status === "running",
    40_000,
  );
  expect(patient.lastError).toBeNull();
}, 60_000);

it("has left nothing double behind, however often it was tried", async () => {
  const headers = { authorization: `Bearer ${world.secrets.FLY_API_TOKEN}` };
  for (const kind of ["machines", "volumes"]) {
    const list = await fetch(`http://127.0.0.1:${ports.apiPort}/v1/apps/${FLY_APP_NAME}/${kind}`, {
      headers,
    });
    expect(await list.json()).toHaveLength(2);
  }
});
