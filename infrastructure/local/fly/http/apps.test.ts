import { expect, it } from "vitest";
import { ManualClock } from "../testing/manual-clock.ts";
import { image, startFly, startedMachine, withApp } from "../testing/fly.ts";

it("creates an app by either name of the key, shows it and lists it by organization", async () => {
  const fly = await startFly();
  const created = await fly.call("POST", "/apps", { app_name: "one", org_slug: "kilo", network: "net-1" });
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({ id: expect.any(String), created_at: expect.any(Number) });
  expect((await fly.call("POST", "/apps", { name: "two", org_slug: "other" })).status).toBe(201);

  expect((await fly.call("GET", "/apps/one")).body).toMatchObject({
    name: "one",
    network: "net-1",
    status: "pending",
    organization: { slug: "kilo" },
    machine_count: 0,
  });
  expect((await fly.call("GET", "/apps?org_slug=kilo")).body).toMatchObject({
    total_apps: 1,
    apps: [{ name: "one" }],
  });
});

it.each([
  [{ name: "taken", org_slug: "x" }, 422, "Validation failed: Name has already been taken", "name_taken"],
  [
    { name: "Bad_Name", org_slug: "x" },
    422,
    "Validation failed: Name under 63 chars using numbers, lowercase letters and dashes",
    undefined,
  ],
  [{ name: "fine" }, 400, "authorization: request doesn't contain org_slug", undefined],
])("refuses to create %j", async (body, status, error, code) => {
  const fly = await startFly();
  await fly.call("POST", "/apps", { name: "taken", org_slug: "kilo" });
  const answer = await fly.call("POST", "/apps", body);
  expect(answer.status).toBe(status);
  expect(answer.body).toEqual(code === undefined ? { error } : { error, status: code });
});

it("says that an app is not there", async () => {
  const fly = await startFly();
  for (const path of ["/apps/none", "/apps/none/machines", "/apps/none/volumes", "/apps/none/secrets"]) {
    const answer = await fly.call("GET", path);
    expect([answer.status, answer.body]).toEqual([404, { error: "app not found" }]);
  }
});

it("deletes an app with its machines and volumes, and frees its name", async () => {
  const fly = await startFly();
  await withApp(fly);
  const machine = await startedMachine(fly);
  await fly.call("POST", "/apps/acme/volumes", { name: "data" });
  const deleted = await fly.call("DELETE", "/apps/acme?force=true");
  expect([deleted.status, deleted.body]).toEqual([202, ""]);
  const refused = await fly.call("POST", "/apps/acme/machines", { config: { image } });
  expect(refused.status).toBe(404);
  await expect.poll(async () => (await fly.call("GET", "/apps/acme")).status).toBe(404);
  await withApp(fly);
  expect((await fly.call("GET", `/apps/acme/machines/${machine.id}`)).status).toBe(404);
  expect((await fly.call("GET", "/apps/acme/volumes")).body).toEqual([]);
});

it("assigns, lists and releases addresses", async () => {
  const fly = await startFly();
  await withApp(fly);
  const shared = await fly.call("POST", "/apps/acme/ip_assignments", { type: "shared_v4" });
  expect(shared.body).toMatchObject({ ip: "66.241.124.1", shared: true });
  const flycast = await fly.call("POST", "/apps/acme/ip_assignments", { type: "private_v6" });
  expect(flycast.body).toMatchObject({ ip: expect.stringMatching(/^fdaa:/), shared: false });
  expect((await fly.call("POST", "/apps/acme/ip_assignments", { type: "v6" })).status).toBe(200);
  for (const type of ["shared_v4", "v6"]) {
    expect((await fly.call("POST", "/apps/acme/ip_assignments", { type })).status).toBe(422);
  }
  expect((await fly.call("DELETE", "/apps/acme/ip_assignments/66.241.124.1")).status).toBe(204);
  expect((await fly.call("GET", "/apps/acme/ip_assignments")).body).toMatchObject({
    ips: [flycast.body, { ip: expect.stringMatching(/^2a09:/), region: "global" }],
  });
});

it("counts versions of secrets and shows values only when asked", async () => {
  const fly = await startFly();
  await withApp(fly);
  const set = await fly.call("POST", "/apps/acme/secrets", { values: { KEY: "hidden", OLD: "x" } });
  expect(set.body).toMatchObject({ version: 1, Version: 1 });
  expect(JSON.stringify(set.body)).not.toContain("hidden");
  expect((await fly.call("POST", "/apps/acme/secrets", { values: { OLD: null } })).body).toMatchObject({
    version: 2,
    secrets: [{ name: "KEY" }],
  });
  const one = await fly.call("POST", "/apps/acme/secrets/MORE", { value: "y" });
  expect([one.status, one.body]).toEqual([201, expect.objectContaining({ name: "MORE", version: 3 })]);
  expect((await fly.call("DELETE", "/apps/acme/secrets/MORE")).body).toMatchObject({ version: 4 });
  expect((await fly.call("GET", "/apps/acme/secrets?show_secrets=true")).body).toMatchObject({
    secrets: [{ name: "KEY", value: "hidden" }],
  });
});

it("refuses a machine that wants secrets which are not there yet", async () => {
  const fly = await startFly();
  await withApp(fly);
  const answer = await fly.call("POST", "/apps/acme/machines", {
    config: { image },
    min_secrets_version: 3,
  });
  expect([answer.status, answer.body]).toEqual([
    412,
    { error: "failed_precondition: min_secrets_version 3 is not yet available on this app" },
  ]);
});

it("shows an app for a while after it is deleted, and keeps its name so long", async () => {
  const clock = new ManualClock();
  const fly = await startFly({ clock, timings: { appDeleteMs: 5000 } });
  await withApp(fly);
  expect((await fly.call("DELETE", "/apps/acme")).status).toBe(202);
  await clock.advance(4999);
  expect((await fly.call("GET", "/apps/acme")).status).toBe(200);
  expect((await fly.call("POST", "/apps", { name: "acme", org_slug: "kilo" })).body).toMatchObject({
    status: "name_taken",
  });
  await clock.advance(1);
  expect((await fly.call("GET", "/apps/acme")).status).toBe(404);
  expect((await fly.call("POST", "/apps", { name: "acme", org_slug: "kilo" })).status).toBe(201);
});
