import { expect, it } from "vitest";
import { image, machinesIn, startFly, volumeIn } from "../testing/fly.ts";
import { startFaultyFly } from "../testing/faulty-fly.ts";

const machines = "/apps/acme/machines";
const volumes = "/apps/acme/volumes";

it("knows nothing of faults unless it is in test mode", async () => {
  const fly = await startFly();
  for (const path of ["faults", "cloud"]) {
    const answer = await fetch(`${fly.apiUrl}/_test/${path}`, {
      method: "POST",
      headers: { authorization: "Bearer test" },
    });
    expect([answer.status, await answer.text()]).toEqual([404, "404 page not found\n"]);
  }
});

it("asks for the token also under /_test", async () => {
  const fly = await startFaultyFly();
  const answer = await fetch(`${fly.apiUrl}/_test/faults`);
  expect(answer.status).toBe(401);
});

it.each(["before", "after"])("answers an error %s the effect", async (phase) => {
  const fly = await startFaultyFly();
  const effect = { kind: "error", status: 503, body: { error: "unavailable: gone fishing" } };
  await fly.fault({ match: { action: "volume_create", app: "acme" }, phase, effect });
  const refused = await fly.call("POST", volumes, { name: "data" });
  expect([refused.status, refused.body]).toEqual([503, { error: "unavailable: gone fishing" }]);
  expect(refused.headers.get("fly-request-id")).toMatch(/-ams$/);
  expect((await fly.call("GET", volumes)).body).toHaveLength(phase === "after" ? 1 : 0);
});

it("answers with a page where that is what the fault says", async () => {
  const fly = await startFaultyFly();
  await fly.fault({
    match: { action: "machine_list" },
    effect: { kind: "error", status: 502, body: "<html>Bad Gateway</html>" },
  });
  const answer = await fly.call("GET", machines);
  expect([answer.status, answer.body]).toEqual([502, "<html>Bad Gateway</html>"]);
  expect(answer.headers.get("content-type")).toMatch(/^text\/html/);
});

it.each(["before", "after"])("drops the connection %s the effect", async (phase) => {
  const fly = await startFaultyFly();
  await fly.fault({ match: { action: "machine_create" }, phase, effect: { kind: "lost" } });
  await expect(fly.call("POST", machines, { name: "one", config: { image } })).rejects.toThrow(
    /fetch failed/,
  );
  expect(machinesIn(await fly.call("GET", machines))).toHaveLength(phase === "after" ? 1 : 0);
});

it("lets a lost call take effect long after its caller gave up", async () => {
  const fly = await startFaultyFly();
  await fly.fault({ match: { action: "machine_create" }, effect: { kind: "lost", lateMs: 30_000 } });
  await expect(fly.call("POST", machines, { name: "one", config: { image } })).rejects.toThrow(
    /fetch failed/,
  );
  await fly.clock.advance(29_000);
  expect((await fly.call("GET", machines)).body).toEqual([]);
  await fly.clock.advance(1000);
  expect(machinesIn(await fly.call("GET", machines))).toMatchObject([{ name: "one" }]);
});

it.each(["before", "after"])("keeps a call waiting %s its effect", async (phase) => {
  const fly = await startFaultyFly();
  await fly.fault({ match: { action: "volume_create" }, phase, effect: { kind: "delay", forMs: 5000 } });
  const call = fly.call("POST", volumes, { name: "data" });
  const seen = phase === "before" ? 0 : 1;
  await expect.poll(async () => (await fly.call("GET", volumes)).body).toHaveLength(seen);
  await expect.poll(() => fly.clock.pending, { timeout: 2000 }).toBeGreaterThan(1);
  await fly.clock.advance(5000);
  expect((await call).status).toBe(200);
});

it.each([undefined, 7])(
  "limits the rate, and says for how long if told to (%s)",
  async (retryAfterSeconds) => {
    const fly = await startFaultyFly();
    await fly.fault({
      match: { action: "machine_list" },
      effect: { kind: "rate_limited", retryAfterSeconds },
    });
    const answer = await fly.call("GET", machines);
    expect([answer.status, answer.body]).toEqual([429, { error: "rate limit exceeded" }]);
    expect(answer.headers.get("retry-after")).toBe(retryAfterSeconds === undefined ? null : "7");
    expect((await fly.call("GET", machines)).status).toBe(200);
  },
);

it("lists what was there some time ago, by the same filters", async () => {
  const fly = await startFaultyFly();
  const make = (name: string): Promise<unknown> =>
    fly.call("POST", machines, { name, config: { image, metadata: { user: "u1" } } });
  await make("old");
  await fly.call("POST", machines, { name: "other", config: { image } });
  const [old] = machinesIn(await fly.call("GET", machines));
  await fly.clock.advance(60_000);
  await make("new");
  await fly.call("DELETE", `${machines}/${old?.id}?force=true`);
  await fly.clock.advance(1000);
  const list = `${machines}?metadata.user=u1`;
  await fly.fault({ match: { action: "machine_list" }, effect: { kind: "stale", agoMs: 5000 } });
  expect(machinesIn(await fly.call("GET", list))).toMatchObject([{ name: "old", state: "started" }]);
  expect(machinesIn(await fly.call("GET", list))).toMatchObject([{ name: "new" }]);
});

it("lists nothing, wrongly", async () => {
  const fly = await startFaultyFly();
  const { id } = volumeIn(await fly.call("POST", volumes, { name: "data" }));
  await fly.fault({ match: { action: "volume_list" }, times: 2, effect: { kind: "empty" } });
  for (const expected of [[], [], [{ id }]]) {
    expect((await fly.call("GET", volumes)).body).toMatchObject(expected);
  }
});

it("does the first rule that fits, in turn, and lets calls by that are to be skipped", async () => {
  const fly = await startFaultyFly();
  const error = (status: number): object => ({ kind: "error", status, body: {} });
  await fly.fault(
    { match: { action: "machine_list", app: "another" }, effect: error(599) },
    { match: { action: "machine_list" }, skip: 1, times: 2, effect: error(500) },
    { match: { action: "machine_list", app: "acme" }, effect: error(502) },
  );
  const statuses: number[] = [];
  for (let call = 0; call < 5; call += 1) statuses.push((await fly.call("GET", machines)).status);
  expect(statuses).toEqual([502, 500, 500, 200, 200]);
  expect((await fly.test("GET", "/faults")).body).toMatchObject({
    rules: [{ fired: 0 }, { fired: 2 }, { fired: 1 }],
    random: [],
  });
});

it("forgets its rules when asked to", async () => {
  const fly = await startFaultyFly();
  await fly.fault({ match: { action: "machine_list" }, effect: { kind: "empty" }, times: 100 });
  expect((await fly.test("DELETE", "/faults")).status).toBe(204);
  expect((await fly.test("GET", "/faults")).body).toEqual({ rules: [], random: [] });
});

it("takes back one fault of several", async () => {
  const fly = await startFaultyFly();
  const empty = { match: { action: "machine_list" }, effect: { kind: "empty" }, times: 100 };
  expect((await fly.test("POST", "/faults", { rules: [empty, empty] })).body).toEqual({ ids: ["1", "2"] });
  expect((await fly.test("POST", "/faults", { seed: 7, rate: 0 })).body).toEqual({ ids: ["3"] });
  for (const id of ["1", "3"]) expect((await fly.test("DELETE", `/faults/${id}`)).status).toBe(204);
  expect((await fly.test("DELETE", "/faults/1")).status).toBe(404);
  expect((await fly.test("GET", "/faults")).body).toMatchObject({ rules: [{ id: "2" }], random: [] });
});

it("happens only to calls that contain what the rule says, such as a name", async () => {
  const fly = await startFaultyFly();
  const lost = { kind: "error", status: 500, body: {} };
  await fly.fault(
    { match: { action: "machine_create", contains: "tenant-b" }, effect: lost },
    { match: { action: "machine_list", contains: "metadata.user=b" }, effect: lost },
  );
  const create = (name: string) => fly.call("POST", machines, { name, config: { image } });
  expect((await create("tenant-a")).status).toBe(200);
  expect((await create("tenant-b")).status).toBe(500);
  expect((await fly.call("GET", `${machines}?metadata.user=a`)).status).toBe(200);
  expect((await fly.call("GET", `${machines}?metadata.user=b`)).status).toBe(500);
});

it("keeps what comes after a call for one that is not over before", async () => {
  const fly = await startFaultyFly();
  await fly.fault(
    { match: { action: "volume_create" }, effect: { kind: "error", status: 500, body: {} } },
    { match: { action: "volume_create" }, phase: "after", effect: { kind: "error", status: 502, body: {} } },
  );
  const create = async (): Promise<number> => (await fly.call("POST", volumes, { name: "data" })).status;
  expect([await create(), await create(), await create()]).toEqual([500, 502, 200]);
  expect((await fly.call("GET", volumes)).body).toHaveLength(2);
});

it.each([
  { rules: [] },
  { rules: [{ match: { action: "no_such" }, effect: { kind: "lost" } }] },
  { rules: [{ match: { action: "machine_list" }, effect: { kind: "empty" }, phase: "after" }] },
  { rules: [{ match: { action: "machine_list" }, effect: { kind: "lost" }, typo: 1 }] },
  { rules: [{ match: { action: "machine_get" }, effect: { kind: "stale", agoMs: 1 } }] },
  { rules: [{ match: { action: "volume_create" }, effect: { kind: "wedge", state: "created" } }] },
  { seed: 1, rate: 2 },
])("refuses the order %j", async (order) => {
  const fly = await startFaultyFly();
  expect((await fly.test("POST", "/faults", order)).status).toBe(400);
});

it("has the same faults for the same calls with the same seed, and others with another", async () => {
  const run = async (seed: number): Promise<(number | string)[]> => {
    const fly = await startFaultyFly();
    const kinds = ["error", "error_after", "lost_before", "lost_after", "rate_limited", "empty"];
    await fly.test("POST", "/faults", { seed, rate: 0.5, kinds });
    const seen: (number | string)[] = [];
    for (let call = 0; call < 40; call += 1) {
      const answer = fly.call("GET", machines).then(
        ({ status }) => status,
        () => "lost",
      );
      seen.push(await answer);
    }
    expect((await fly.test("GET", "/faults")).body).toMatchObject({
      random: [{ drawn: expect.toSatisfy((drawn: number) => drawn > 10 && drawn < 30) }],
    });
    return seen;
  };
  const first = await run(1);
  expect(await run(1)).toEqual(first);
  expect(await run(2)).not.toEqual(first);
  expect(new Set(first)).toContain("lost");
});
