import { afterAll, beforeAll, expect, it } from "vitest";
import type { LogEntry } from "../../infrastructure/local/fly/log.ts";
import { platformOf } from "./support/platform.ts";
import { until } from "./support/until.ts";
import { type RunningWorker, World } from "./support/world.ts";

type Call = { method: string; path: string; status: number; at: number };

let world: World;
let worker: RunningWorker;
const calls: Call[] = [];

beforeAll(async () => {
  world = await World.open();
  const fly = await world.startFly({
    token: "the token of somebody else",
    log: (entry: LogEntry) => {
      if (entry.kind !== "request") return;
      const { method, path, status } = entry;
      calls.push({ method, path, status, at: performance.now() });
    },
  });
  calls.length = 0;
  const database = await world.startDatabase();
  worker = await world.startWorker({ fly, databaseUrl: database.workerUrl });
});

afterAll(() => world?.close());

it("says at once that Fly refuses the token, and asks again ever more rarely", async () => {
  const platform = platformOf(world, worker.url);
  expect((await platform.post("provision", "user")).status).toBe(201);
  const started = await platform.post("start", "user");
  expect(started.status).toBe(502);
  expect(started.body).toMatchObject({ code: "upstream_failed", reason: "fly_unauthorized" });
  expect(Number(started.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  const events = JSON.stringify(await platform.events("user"));
  expect(events).toContain("fly_unauthorized");

  const before = calls.length;
  expect(before).toBeLessThanOrEqual(3);
  const later = await until(
    () => calls.slice(before - 1),
    (seen) => seen.length > 3,
    30_000,
  );
  expect(later.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  const pauses = later.slice(1).map(({ at }, index) => at - (later[index]?.at ?? at));
  expect(Math.min(...pauses)).toBeGreaterThan(900);
  expect(pauses.at(-1)).toBeGreaterThan(1.5 * (pauses[0] ?? 0));
  expect(world.leaksIn(started.text, events, ...worker.log)).toEqual([]);
}, 60_000);
