import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BRING_UPS_PER_HOUR } from "../../src/instance/patience.ts";
import type { LocalFly } from "../../infrastructure/local/fly/index.ts";
import { type Answer, ask, type Platform, platformOf } from "./support/platform.ts";
import { until } from "./support/until.ts";
import { bearerOf, enrol } from "./support/user.ts";
import { FLY_APP_NAME, type RunningWorker, World } from "./support/world.ts";

/** An operation answers after this, however its effort stands. */
const OPERATION_WAIT_MS = 25_000;
const LATE_MS = 5_000;

let world: World;
let fly: LocalFly;
let worker: RunningWorker;
let platform: Platform;
let adminUrl: string;

beforeAll(async () => {
  world = await World.open();
  const [startedFly, database] = await Promise.all([
    // Fly's ten restarts of a crashing machine take minutes; here they take a second.
    world.startFly({ timings: { restartBackoffMs: 1, restartBackoffMsMax: 10 } }),
    world.startDatabase(),
  ]);
  fly = startedFly;
  ({ adminUrl } = database);
  worker = await world.startWorker({ fly, databaseUrl: database.workerUrl });
  platform = platformOf(world, worker.url);
}, 60_000);

afterAll(() => world?.close());

// Each waits more than it works, and has a user of its own.
describe.concurrent("a machine", () => {
  it("that exits at once is brought up a few times, with the reason told, and can be stopped and destroyed", async () => {
    const user = "exits";
    await platform.post("provision", user, { envVars: { STAND_IN: "exits" } });
    const started = await timed(platform.post("start", user));
    expect(started.durationMs).toBeLessThan(OPERATION_WAIT_MS + LATE_MS);
    // Whoever waits is told when the pauses grow; on a slow computer the bound comes first, and the status tells.
    const { status, body } = started.answer;
    const answers = [
      [502, "machine_stopped"],
      [202, undefined],
    ];
    expect(answers).toContainEqual([status, body["reason"]]);
    const told = await until(
      () => platform.status(user),
      ({ lastError }) => lastError?.code === "machine_stopped",
      30_000,
    );
    expect(told.lastError?.message).toContain("exit code 3");
    const events = await platform.events(user);
    expect(events.map(({ why }) => why).join("\n")).toContain("exit code 3");
    const bringUps = events.filter(({ what }) => what === "create_machine" || what === "start_machine");
    expect(bringUps.length).toBeGreaterThan(1);
    expect(bringUps.length).toBeLessThanOrEqual(BRING_UPS_PER_HOUR);

    const stopped = await platform.post("stop", user);
    expect([stopped.status, stopped.body["status"]]).toEqual([200, "stopped"]);
    const { flyMachineId, flyVolumeId } = await platform.status(user);
    expect((await platform.post("destroy", user)).status).toBe(200);
    expect(await stateAtFly(`machines/${flyMachineId}`)).toBe("destroyed");
    expect(await stateAtFly(`volumes/${flyVolumeId}`)).toBe("pending_destroy");
    expect(await platform.status(user)).toMatchObject({ status: null });
  }, 60_000);

  it("that is not ready in time is waited for by the alarm, when the caller has long had an answer", async () => {
    const user = "late";
    await enrol(adminUrl, user);
    await platform.post("provision", user, { envVars: { STAND_IN: "starting" } });
    const started = await timed(platform.post("start", user));
    expect([started.answer.status, started.answer.body]).toEqual([202, { ok: true, status: "starting" }]);
    expect(started.durationMs).toBeLessThan(OPERATION_WAIT_MS + LATE_MS);

    const visitor = { ...(await bearerOf(world, user)), accept: "text/html" };
    const page = await ask(worker.url, "/", { headers: visitor });
    expect([page.status, Number(page.headers.get("retry-after")) > 0]).toEqual([503, true]);
    expect(page.text).toContain('data-status="starting"');

    await getReady(user);
    const { lastError } = await until(
      () => platform.status(user),
      ({ status }) => status === "running",
      30_000,
    );
    expect(lastError).toBeNull();
  }, 90_000);

  it("that does not get ready stops at once for a user who has had enough", async () => {
    const user = "impatient";
    await platform.post("provision", user, { envVars: { STAND_IN: "starting" } });
    const starting = platform.post("start", user);
    await until(
      () => platform.status(user),
      ({ flyMachineId }) => flyMachineId !== null,
    );
    const stopped = await timed(platform.post("stop", user));
    expect([stopped.answer.status, stopped.answer.body["status"]]).toEqual([200, "stopped"]);
    expect(stopped.durationMs).toBeLessThan(LATE_MS);
    expect((await starting).body).toMatchObject({ status: "stopped" });
    expect((await platform.status(user)).lastError).toBeNull();
  }, 60_000);

  it("that is killed and started again by Fly answers the next request, a little later", async () => {
    const owner = await running("killed");
    process.kill(await pidOf(owner), "SIGKILL");
    const answers = await Promise.all([
      timed(ask(worker.url, "/chat", { headers: owner })),
      timed(ask(worker.url, "/chat", { headers: { ...owner, accept: "text/html" } })),
      timed(ask(worker.url, "/chat", { method: "POST", headers: owner, body: "once" })),
    ]);
    for (const { answer, durationMs } of answers) {
      // Answered by the machine that is back, or told when to come again.
      expect(answer.status === 200 || Number(answer.headers.get("retry-after")) > 0).toBe(true);
      expect([200, 502, 503]).toContain(answer.status);
      expect(durationMs).toBeLessThan(LATE_MS);
    }
    await until(
      () => ask(worker.url, "/chat", { headers: owner }),
      ({ status }) => status === 200,
    );
    expect(await platform.status("killed")).toMatchObject({ status: "running", lastError: null });
  }, 60_000);

  it("that went down for good is noticed by the next visitor, and comes back", async () => {
    const user = "gone-down";
    const owner = await running(user);
    // The stand-in ends with code 0 then, and Fly does not start it again.
    process.kill(await pidOf(owner), "SIGTERM");
    const page = await timed(ask(worker.url, "/chat", { headers: { ...owner, accept: "text/html" } }));
    expect(page.durationMs).toBeLessThan(LATE_MS);
    expect([200, 503]).toContain(page.answer.status);
    const after = await until(
      () => ask(worker.url, "/chat", { headers: owner }),
      ({ status }) => status === 200,
      30_000,
    );
    expect(after.body["url"]).toBe("/chat");
    const problems = (await platform.events(user)).filter(({ kind }) => kind === "problem");
    expect(problems.map(({ what }) => what)).toEqual(["machine_stopped"]);
    expect(await platform.status(user)).toMatchObject({ status: "running", lastError: null });
  }, 60_000);
});

async function timed(asked: Promise<Answer>): Promise<{ answer: Answer; durationMs: number }> {
  const askedAt = performance.now();
  const answer = await asked;
  return { answer, durationMs: performance.now() - askedAt };
}

/** Brings the user's instance up; gives what signs the user in. */
async function running(user: string): Promise<{ authorization: string }> {
  await enrol(adminUrl, user);
  await platform.post("provision", user);
  await platform.post("start", user);
  return bearerOf(world, user);
}

async function pidOf(owner: { authorization: string }): Promise<number> {
  const { body } = await ask(worker.url, "/", { headers: owner });
  return Number(body["pid"]);
}

/** Lets a machine that is `starting` get ready. */
async function getReady(user: string): Promise<void> {
  const { flyVolumeId } = await platform.status(user);
  await writeFile(join(world.dir, "fly", "volumes", flyVolumeId ?? "", "ready"), "");
}

/** What Fly says of a machine or volume, past the Worker. */
async function stateAtFly(path: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${world.secrets.FLY_API_TOKEN}` };
  return (await ask(fly.apiUrl, `/v1/apps/${FLY_APP_NAME}/${path}`, { headers })).body["state"];
}
