import { expect, it } from "vitest";
import { z } from "zod";
import {
  image,
  machineIn,
  machinesIn,
  startedMachine,
  startFly,
  stateOf,
  volumeIn,
  waitFor,
  withApp,
  type Answer,
  type TestFly,
} from "../testing/fly.ts";

const machines = "/apps/acme/machines";

it("creates a machine in state created, which becomes started", async () => {
  const fly = await startFly();
  await withApp(fly);
  const answer = await fly.call("POST", machines, { name: "one", config: { image } });
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({
    id: expect.stringMatching(/^[0-9a-f]{14}$/),
    name: "one",
    state: "created",
    region: "ams",
    instance_id: expect.stringMatching(/^[0-9A-Z]{26}$/),
    private_ip: expect.stringMatching(/^fdaa(:[0-9a-f]{1,4}){7}$/),
    config: { image, dns: {}, guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 } },
    events: [{ type: "launch", status: "created", source: "user" }],
    host_status: "ok",
    image_ref: { registry: "registry.fly.io", repository: "acme", digest: `sha256:${"0".repeat(64)}` },
  });
  const { id } = machineIn(answer);
  await waitFor(fly, { id }, "started");
  expect(eventsOf(await fly.call("GET", `${machines}/${id}`))).toEqual([
    "start/started/flyd",
    "start/starting/flyd",
    "launch/created/user",
  ]);
});

it("does not start what is launched with skip_launch, and refuses to start it before its image is there", async () => {
  const fly = await startFly({ timings: { imagePullMs: 150 } });
  await withApp(fly);
  const { id } = machineIn(await fly.call("POST", machines, { config: { image }, skip_launch: true }));
  const early = await fly.call("POST", `${machines}/${id}/start`);
  expect([early.status, early.body]).toEqual([
    412,
    { error: "failed_precondition: unable to start machine from current state: 'created'" },
  ]);
  await waitFor(fly, { id }, "settled");
  expect(machineIn(await fly.call("GET", `${machines}/${id}`)).state).toBe("created");
  expect((await fly.call("POST", `${machines}/${id}/start`)).status).toBe(200);
  await waitFor(fly, { id }, "started");
});

it("refuses a name that a machine of the app has, and gives its id", async () => {
  const fly = await startFly();
  await withApp(fly);
  const first = await startedMachine(fly, { name: "tenant-a" });
  const second = await fly.call("POST", machines, { name: "tenant-a", config: { image } });
  expect([second.status, second.body]).toEqual([
    409,
    {
      error: `already_exists: unique machine name violation, machine ID ${first.id} already exists with name "tenant-a"`,
    },
  ]);
  await fly.call("POST", "/apps", { name: "other", org_slug: "kilo" });
  expect(
    (await fly.call("POST", "/apps/other/machines", { name: "tenant-a", config: { image } })).status,
  ).toBe(200);
  await fly.call("DELETE", `${machines}/${first.id}?force=true`);
  await waitFor(fly, first, "destroyed");
  expect((await fly.call("POST", machines, { name: "tenant-a", config: { image } })).status).toBe(200);
});

it.each([
  ["lhr", "lhr"],
  ["cdg,eu", "cdg"],
  ["us", "dfw"],
  ["", "ams"],
])("places a machine for region '%s' into %s", async (region, chosen) => {
  const fly = await startFly();
  await withApp(fly);
  expect(machineIn(await fly.call("POST", machines, { region, config: { image } })).region).toBe(chosen);
});

it.each([
  [{ region: "xyz", config: { image } }, 422, "target region xyz not found"],
  [
    { config: { image, mounts: [{ volume: "vol_none", path: "/root" }] } },
    400,
    "invalid_argument: volume does not exist: vol_none",
  ],
  [
    {
      config: {
        image,
        mounts: [
          { volume: "a", path: "/a" },
          { volume: "b", path: "/b" },
        ],
      },
    },
    400,
    "invalid_argument: machines may have at most one mount",
  ],
  [
    { config: { image, guest: { cpu_kind: "performance", cpus: 8, memory_mb: 8192 } } },
    422,
    "invalid config.guest.memory_mb, minimum required 16384 MiB",
  ],
  [
    { config: { image, guest: { cpu_kind: "shared", cpus: 3, memory_mb: 1024 } } },
    422,
    "invalid config.guest.cpus, 3 shared CPUs are not offered",
  ],
])("refuses to create %j", async (request, status, error) => {
  const fly = await startFly();
  await withApp(fly);
  const answer = await fly.call("POST", machines, request);
  expect([answer.status, answer.body]).toEqual([status, { error }]);
});

it("mounts a volume once, in its own region, until its machine is destroyed", async () => {
  const fly = await startFly();
  await withApp(fly);
  const volume = volumeIn(await fly.call("POST", "/apps/acme/volumes", { name: "data", region: "fra" }));
  const config = { image, mounts: [{ volume: volume.id, path: "/root" }] };

  const elsewhere = await fly.call("POST", machines, { region: "ord", config });
  expect([elsewhere.status, elsewhere.body]).toEqual([
    422,
    { error: `Mounts source volume "${volume.id}" is in the wrong region ("fra" != "ord")` },
  ]);
  const holder = await startedMachine(fly, { config });
  expect(holder).toMatchObject({
    region: "fra",
    config: { mounts: [{ volume: volume.id, path: "/root", name: "data", size_gb: 3, encrypted: true }] },
  });
  expect(volumeIn(await fly.call("GET", `/apps/acme/volumes/${volume.id}`)).attached_machine_id).toBe(
    holder.id,
  );
  const second = await fly.call("POST", machines, { region: "fra", config });
  expect([second.status, second.body]).toEqual([
    412,
    { error: `failed_precondition: volume already claimed by machine ${holder.id}` },
  ]);
  await fly.call("DELETE", `${machines}/${holder.id}?force=true`);
  await waitFor(fly, holder, "destroyed");
  expect((await fly.call("POST", machines, { region: "eu", config })).status).toBe(200);
});

it("replaces the whole config with an update, under a new version, and starts the machine again", async () => {
  const fly = await startFly();
  await withApp(fly);
  const before = await startedMachine(fly, { config: { env: { OLD: "1" }, metadata: { owner: "a" } } });
  const answer = await fly.call("POST", `${machines}/${before.id}`, {
    config: { image, env: { NEW: "1" } },
    current_version: before.instance_id,
  });
  const updated = machineIn(answer);
  expect(updated.state).toBe("replacing");
  expect(updated.instance_id).not.toBe(before.instance_id);
  expect(updated.config).not.toHaveProperty("metadata");
  expect(updated.config.env).toEqual({ NEW: "1" });
  await waitFor(fly, updated, "started");
  const stale = await fly.call("POST", `${machines}/${before.id}`, {
    config: { image },
    current_version: before.instance_id,
  });
  expect(stale.status).toBe(409);
  expect((await fly.call("GET", `${machines}/${before.id}/versions`)).body).toMatchObject([
    { version: updated.instance_id },
    { version: before.instance_id, user_config: { env: { OLD: "1" } } },
  ]);
});

it("refuses to start or update a machine while it is replaced", async () => {
  const fly = await startFly({ timings: { replaceMs: 300 } });
  await withApp(fly);
  const { id } = await startedMachine(fly);
  await fly.call("POST", `${machines}/${id}`, { config: { image } });
  const start = await fly.call("POST", `${machines}/${id}/start`);
  expect([start.status, start.body]).toEqual([
    412,
    { error: "failed_precondition: unable to start machine from current state: 'replacing'" },
  ]);
  const update = await fly.call("POST", `${machines}/${id}`, { config: { image } });
  expect([update.status, update.body]).toEqual([
    409,
    { error: "aborted: machine update failed due to concurrent update" },
  ]);
  await waitFor(fly, { id }, "started");
});

it("leaves a stopped machine stopped through an update, and a started one stopped with skip_launch", async () => {
  const fly = await startFly();
  await withApp(fly);
  const stopped = await startedMachine(fly);
  await fly.call("POST", `${machines}/${stopped.id}/stop`);
  await waitFor(fly, stopped, "stopped");
  await fly.call("POST", `${machines}/${stopped.id}`, { config: { image } });
  expect(await stateOf(fly, stopped)).toBe("replacing");
  await waitFor(fly, stopped, "settled");
  expect(await stateOf(fly, stopped)).toBe("stopped");
  const started = await startedMachine(fly);
  await fly.call("POST", `${machines}/${started.id}`, { config: { image }, skip_launch: true });
  await waitFor(fly, started, "settled");
  expect(await stateOf(fly, started)).toBe("stopped");
});

it("lets an update neither exchange nor drop the mounted volume, but add one where there was none", async () => {
  const fly = await startFly();
  await withApp(fly);
  const [first, second] = [await newVolume(fly), await newVolume(fly)];
  const mounting = (id: string): object => ({ config: { image, mounts: [{ volume: id, path: "/root" }] } });
  const machine = await startedMachine(fly);
  expect((await fly.call("POST", `${machines}/${machine.id}`, mounting(first))).status).toBe(200);
  await waitFor(fly, machine, "started");
  expect(volumeIn(await fly.call("GET", `/apps/acme/volumes/${first}`)).attached_machine_id).toBe(machine.id);
  for (const request of [mounting(second), { config: { image } }]) {
    const answer = await fly.call("POST", `${machines}/${machine.id}`, request);
    expect([answer.status, answer.body]).toEqual([
      400,
      { error: "invalid_argument: the volume mounted by a machine cannot be changed" },
    ]);
  }
  const elsewhere = { config: { image, mounts: [{ volume: first, path: "/data" }] } };
  expect((await fly.call("POST", `${machines}/${machine.id}`, elsewhere)).status).toBe(200);
});

it("lists by metadata, region and state, with destroyed machines only on demand", async () => {
  const fly = await startFly();
  await withApp(fly);
  const one = await startedMachine(fly, {
    name: "one",
    region: "fra",
    config: { metadata: { user: "1", kind: "k" } },
  });
  await startedMachine(fly, { name: "two", config: { metadata: { user: "2", kind: "k" } } });
  const gone = await startedMachine(fly, { name: "gone", config: { metadata: { kind: "k" } } });
  await fly.call("POST", `${machines}/${one.id}/stop`);
  await fly.call("DELETE", `${machines}/${gone.id}?kill=true`);
  await waitFor(fly, one, "stopped");
  await waitFor(fly, gone, "destroyed");

  const names = async (query: string): Promise<string[]> =>
    machinesIn(await fly.call("GET", `${machines}?${query}`)).map(({ name }) => name);
  expect(await names("")).toEqual(["one", "two"]);
  expect(await names("include_deleted=true")).toEqual(["one", "two", "gone"]);
  expect(await names("metadata.kind=k")).toEqual(["one", "two"]);
  expect(await names("metadata.kind=k&metadata.user=2")).toEqual(["two"]);
  expect(await names("metadata.user=3")).toEqual([]);
  expect(await names("region=fra")).toEqual(["one"]);
  expect(await names("state=created,started")).toEqual(["two"]);
  const [summary] = z.array(z.looseObject({})).parse((await fly.call("GET", `${machines}?summary`)).body);
  expect(summary).not.toHaveProperty("config");
  expect(summary).not.toHaveProperty("events");
});

it("changes metadata without a new version, and finds the machine by it", async () => {
  const fly = await startFly();
  await withApp(fly);
  const machine = await startedMachine(fly, { config: { metadata: { old: "1" } } });
  const path = `${machines}/${machine.id}/metadata`;
  expect((await fly.call("POST", `${path}/user`, { value: "u1" })).status).toBe(204);
  expect((await fly.call("GET", `${path}/user`)).body).toEqual({ value: "u1" });
  expect((await fly.call("PATCH", path, { metadata: { old: null, more: "2" } })).status).toBe(204);
  expect((await fly.call("GET", path)).body).toEqual({ user: "u1", more: "2" });
  expect((await fly.call("DELETE", `${path}/more`)).status).toBe(204);
  expect((await fly.call("GET", `${path}/more`)).status).toBe(404);
  expect((await fly.call("PATCH", path, { metadata: {}, machine_version: "01OLD" })).status).toBe(412);
  const [found] = machinesIn(await fly.call("GET", `${machines}?metadata.user=u1`));
  expect([found?.id, found?.instance_id]).toEqual([machine.id, machine.instance_id]);
});

it("lists an organization's machines page by page", async () => {
  const fly = await startFly();
  await withApp(fly);
  for (const name of ["one", "two", "three"]) await startedMachine(fly, { name });
  const page = async (query: string): Promise<z.infer<typeof pageSchema>> =>
    pageSchema.parse((await fly.call("GET", `/orgs/kilo/machines?${query}`)).body);
  const first = await page("limit=2");
  const rest = await page(`cursor=${first.next_cursor}`);
  expect(first.machines).toHaveLength(2);
  expect(rest.machines).toHaveLength(1);
  expect(rest).not.toHaveProperty("next_cursor");
  expect(new Set([...first.machines, ...rest.machines].map(({ id }) => id)).size).toBe(3);
});

const pageSchema = z.looseObject({
  machines: z.array(z.looseObject({ id: z.string() })),
  next_cursor: z.string().optional(),
});

function eventsOf(answer: Answer): string[] {
  return machineIn(answer).events.map(({ type, status, source }) => `${type}/${status}/${source}`);
}

async function newVolume(fly: TestFly): Promise<string> {
  return volumeIn(await fly.call("POST", "/apps/acme/volumes", { name: "data" })).id;
}
