import { expect, it } from "vitest";
import { z } from "zod";
import {
  image,
  machineIn,
  machinesIn,
  startFly,
  stateOf,
  volumeIn,
  type Answer,
  type WireMachine,
} from "../testing/fly.ts";
import { startFaultyFly } from "../testing/faulty-fly.ts";

type FaultyFly = Awaited<ReturnType<typeof startFaultyFly>>;

const machines = "/apps/acme/machines";
const volumes = "/apps/acme/volumes";

it("cannot read for a while what was just made, neither by id nor in lists", async () => {
  const fly = await startFaultyFly();
  await fly.fault(
    { match: { action: "volume_create" }, effect: { kind: "hidden", forMs: 8000 } },
    { match: { action: "machine_create" }, effect: { kind: "hidden", forMs: 8000 } },
  );
  const volume = volumeIn(await fly.call("POST", volumes, { name: "data" }));
  const machine = machineIn(await fly.call("POST", machines, { name: "one", config: { image } }));
  const reads = [`${volumes}/${volume.id}`, `${machines}/${machine.id}`];
  const wait = `${machines}/${machine.id}/wait?state=created&timeout=1`;
  for (const path of [...reads, wait]) expect((await fly.call("GET", path)).status).toBe(404);
  for (const path of [volumes, machines]) expect((await fly.call("GET", path)).body).toEqual([]);
  const again = await fly.call("POST", machines, { name: "one", config: { image } });
  expect([again.status, again.body]).toEqual([
    409,
    { error: expect.stringContaining(`machine ID ${machine.id} already exists with name "one"`) },
  ]);
  await fly.clock.advance(8000);
  for (const path of reads) expect((await fly.call("GET", path)).status).toBe(200);
  for (const path of [volumes, machines]) expect((await fly.call("GET", path)).body).toHaveLength(1);
});

it("hides nothing when the create that was to be hidden is refused", async () => {
  const fly = await startFaultyFly();
  await fly.fault({ match: { action: "volume_create" }, effect: { kind: "hidden", forMs: 8000 } });
  expect((await fly.call("POST", volumes, { name: "No Such Name" })).status).toBe(400);
  const volume = volumeIn(await fly.call("POST", volumes, { name: "data" }));
  expect((await fly.call("GET", `${volumes}/${volume.id}`)).status).toBe(200);
});

it.each(["id", "nul"])(
  "counts a volume as held for a while after its machine is destroyed, by its %s",
  async (holder) => {
    const fly = await startFaultyFly();
    const { machine, volume } = await machineWithVolume(fly);
    const name = holder === "id" ? machine.id : "\0".repeat(14);
    await fly.fault({
      match: { action: "machine_delete" },
      effect: { kind: "claimed", forMs: 90_000, holder },
    });
    await fly.call("DELETE", `${machines}/${machine.id}?force=true`);
    await fly.clock.advance(1000);
    expect(await stateOf(fly, machine)).toBe("destroyed");
    const remove = (): Promise<Answer> => fly.call("DELETE", `${volumes}/${volume}`);
    const create = (): Promise<Answer> => createOn(fly, volume);
    for (const [call, text] of [
      [remove, `failed_precondition: volume is currently bound to machine: ${name}`],
      [create, `failed_precondition: volume already claimed by machine ${name}`],
    ] as const) {
      const refused = await call();
      expect([refused.status, refused.body]).toEqual([412, { error: text }]);
    }
    await fly.clock.advance(90_000);
    expect((await create()).status).toBe(200);
  },
);

it("has no room in a full region, and room in another", async () => {
  const fly = await startFaultyFly();
  const { machine, volume } = await machineWithVolume(fly);
  await fly.happen({ kind: "region_full", region: "ams" });

  const noHost = { error: "could not find a candidate host", status: "insufficient_capacity" };
  expect(await refusal(fly.call("POST", volumes, { name: "data", region: "ams" }))).toEqual([422, noHost]);
  expect(await refusal(fly.call("POST", machines, { config: { image } }))).toEqual([422, noHost]);
  await destroy(fly, machine);
  expect(await refusal(createOn(fly, volume))).toEqual([
    412,
    {
      error: `insufficient resources to create new machine with existing volume '${volume}'`,
      status: "volume_placement_capacity",
    },
  ]);

  const fork = { name: "data", region: "fra", source_volume_id: volume };
  expect((await fly.call("POST", volumes, fork)).body).toMatchObject({ region: "fra", state: "hydrating" });
  const elsewhere = await fly.call("POST", machines, { region: "ams,fra", config: { image } });
  expect(machineIn(elsewhere).region).toBe("fra");
  await fly.happen({ kind: "region_free", region: "ams" });
  expect((await createOn(fly, volume)).status).toBe(200);
});

it("does not start what was stopped on a full host, nor let what runs there grow", async () => {
  const fly = await startFaultyFly();
  const { machine, volume } = await machineWithVolume(fly);
  await fly.happen({ kind: "host_full", volume });
  const path = `${machines}/${machine.id}`;
  const config = { image, mounts: [{ volume, path: "/root" }] };
  const larger = { ...config, guest: { cpu_kind: "shared", cpus: 2, memory_mb: 1024 } };
  const noRoom = {
    error:
      "aborted: could not reserve resource for machine: insufficient memory available to fulfill request",
  };
  expect(await refusal(fly.call("POST", path, { config: larger }))).toEqual([409, noRoom]);
  expect((await fly.call("POST", path, { config })).status).toBe(200);
  await fly.clock.advance(1000);
  await fly.call("POST", `${path}/stop`);
  await fly.clock.advance(1000);
  expect(await refusal(fly.call("POST", `${path}/start`))).toEqual([409, noRoom]);
  expect(await stateOf(fly, machine)).toBe("stopped");
  await fly.happen({ kind: "host_free", volume });
  expect((await fly.call("POST", `${path}/start`)).status).toBe(200);
});

it("says which organization is over its quota in a region", async () => {
  const fly = await startFaultyFly();
  await fly.happen({ kind: "region_full", region: "dfw", why: "quota" });
  expect(await refusal(fly.call("POST", volumes, { name: "data", region: "dfw" }))).toEqual([
    403,
    {
      error:
        'organization "kilo" is using 1970176 MB of memory in dfw which is over the allowed quota. please consider other regions',
    },
  ]);
});

it.each(["created", "starting"])(
  "leaves a new machine in %s until it is destroyed by force",
  async (state) => {
    const fly = await startFaultyFly();
    await fly.fault({ match: { action: "machine_create" }, effect: { kind: "wedge", state } });
    const machine = machineIn(await fly.call("POST", machines, { config: { image } }));
    const path = `${machines}/${machine.id}`;
    await fly.clock.advance(3600_000);
    expect(await stateOf(fly, machine)).toBe(state);
    expect((await fly.call("POST", `${path}/stop`)).body).toEqual({ ok: true });
    expect([409, 412]).toContain((await fly.call("POST", `${path}/start`)).status);
    expect((await fly.call("POST", path, { config: { image } })).status).toBe(409);
    await fly.clock.advance(3600_000);
    expect(await stateOf(fly, machine)).toBe(state);
    await destroy(fly, machine);
  },
);

it.each([
  ["stopping", "stop"],
  ["replacing", ""],
])("leaves a machine in %s for as long as it is told to", async (state, verb) => {
  const fly = await startFaultyFly();
  const { machine, volume } = await machineWithVolume(fly);
  await fly.happen({ kind: "wedged", machine: machine.id, state, forMs: 600_000 });
  const path = `${machines}/${machine.id}`;
  const body = verb === "" ? { config: { image, mounts: [{ volume, path: "/root" }] } } : undefined;
  expect((await fly.call("POST", `${path}/${verb}`.replace(/\/$/, ""), body)).status).toBe(200);
  await fly.clock.advance(599_000);
  expect(await stateOf(fly, machine)).toBe(state);
  await fly.clock.advance(2000);
  expect(await stateOf(fly, machine)).toBe(state === "stopping" ? "stopped" : "started");
});

it("leaves a machine in destroying, with its name and volume taken, until it is released", async () => {
  const fly = await startFaultyFly();
  const { machine, volume } = await machineWithVolume(fly);
  await fly.happen({ kind: "wedged", machine: machine.id, state: "destroying" });
  await fly.call("DELETE", `${machines}/${machine.id}?force=true`);
  await fly.clock.advance(3600_000);
  expect((await fly.call("DELETE", `${machines}/${machine.id}?force=true`)).status).toBe(200);
  expect(await stateOf(fly, machine)).toBe("destroying");
  expect((await fly.call("POST", machines, { name: "one", config: { image } })).status).toBe(409);
  expect((await fly.call("DELETE", `${volumes}/${volume}`)).status).toBe(412);
  await fly.happen({ kind: "released", machine: machine.id });
  await fly.clock.advance(1000);
  expect(await stateOf(fly, machine)).toBe("destroyed");
});

it.each([408, 503])(
  "refuses changes on a dead host with %d and shows what was last known",
  async (status) => {
    const fly = await startFaultyFly();
    const { machine, volume } = await machineWithVolume(fly, { metadata: { user: "u1" } });
    await fly.call("POST", `${volumes}/${volume}/snapshots`);
    await fly.clock.advance(1000);
    await fly.happen({ kind: "host_down", machine: machine.id, status });
    const path = `${machines}/${machine.id}`;

    const seen = await fly.call("GET", path);
    expect(seen.body).toMatchObject({
      state: "started",
      host_status: "unreachable",
      incomplete_config: { image, metadata: { user: "u1" } },
    });
    expect(seen.body).not.toHaveProperty("config");
    expect((await fly.call("GET", `${machines}?metadata.user=u1`)).body).toMatchObject([
      { id: machine.id, host_status: "unreachable" },
    ]);
    for (const verb of ["stop", "start", "restart", "lease"]) {
      expect((await fly.call("POST", `${path}/${verb}`)).status).toBe(status);
    }
    expect((await fly.call("POST", path, { config: { image } })).status).toBe(status);
    expect((await fly.call("GET", `${volumes}/${volume}`)).body).toMatchObject({
      host_status: "unreachable",
    });
    expect((await fly.call("POST", volumes, { name: "data", source_volume_id: volume })).status).toBe(status);
    const snapshots = z
      .array(z.looseObject({ id: z.string() }))
      .parse((await fly.call("GET", `${volumes}/${volume}/snapshots`)).body);
    const restored = await fly.call("POST", volumes, { name: "data", snapshot_id: snapshots[0]?.id });
    expect(restored.body).toMatchObject({ host_status: "ok" });
  },
);

it("destroys a machine on a dead host when the host is back", async () => {
  const fly = await startFaultyFly();
  const { machine, volume } = await machineWithVolume(fly);
  await fly.happen({ kind: "host_down", volume });
  expect((await fly.call("DELETE", `${machines}/${machine.id}?force=true`)).status).toBe(200);
  await fly.clock.advance(24 * 3600_000);
  const seen = await fly.call("GET", `${machines}/${machine.id}`);
  expect(seen.body).toMatchObject({ state: "destroying", host_status: "unreachable" });
  await fly.happen({ kind: "host_up", volume });
  await fly.clock.advance(1000);
  expect(await stateOf(fly, machine)).toBe("destroyed");
  expect((await fly.call("GET", `${volumes}/${volume}`)).body).toMatchObject({ host_status: "ok" });
});

it("has others take the lease of a machine, so that changes are refused and stop blocks", async () => {
  const fly = await startFaultyFly();
  const { machine } = await machineWithVolume(fly);
  await fly.fault({ match: { action: "machine_restart" }, effect: { kind: "lease", forMs: 20_000 } });
  const refused = await fly.call("POST", `${machines}/${machine.id}/restart`);
  const expires = "2026-11-20T00:00:\\d\\dZ";
  expect([refused.status, refused.body]).toEqual([
    409,
    {
      error: expect.stringMatching(
        new RegExp(`^machine ID ${machine.id} lease currently held by \\S+, expires at ${expires}$`),
      ),
    },
  ]);
  const before = fly.clock.pending;
  const stop = fly.call("POST", `${machines}/${machine.id}/stop`);
  await expect.poll(() => fly.clock.pending).toBeGreaterThan(before);
  await fly.clock.advance(25_000);
  expect((await stop).status).toBe(200);
});

it("keeps names that belong to another organization from everybody here", async () => {
  const fly = await startFaultyFly();
  await fly.happen({ kind: "foreign_app", app: "theirs" });
  expect(await refusal(fly.call("POST", "/apps", { name: "theirs", org_slug: "kilo" }))).toEqual([
    422,
    { error: "Validation failed: Name has already been taken", status: "name_taken" },
  ]);
  for (const path of ["/apps/theirs", "/apps/theirs/machines", "/apps/theirs/volumes"]) {
    expect(await refusal(fly.call("GET", path))).toEqual([403, { error: "unauthorized" }]);
  }
});

it("is well again when it is healed", async () => {
  const fly = await startFaultyFly();
  const { machine, volume } = await machineWithVolume(fly);
  await fly.happen({ kind: "region_full", region: "ams" });
  await fly.happen({ kind: "host_down", volume });
  await fly.happen({ kind: "leased", machine: machine.id, forMs: 600_000 });
  await fly.happen({ kind: "healed" });
  expect((await fly.call("POST", `${machines}/${machine.id}/start`)).status).toBe(200);
  expect((await fly.call("POST", volumes, { name: "data" })).status).toBe(200);
  expect(machineIn(await fly.call("GET", `${machines}/${machine.id}`))).toMatchObject({ host_status: "ok" });
});

it("is well again when the local Fly is started anew", async () => {
  const fly = await startFaultyFly();
  await fly.happen({ kind: "region_full", region: "ams" });
  const { dataDir } = fly;
  await fly.close();
  const after = await startFly({ dataDir, testMode: true });
  expect((await after.call("POST", volumes, { name: "data" })).status).toBe(200);
  expect(machinesIn(await after.call("GET", machines))).toEqual([]);
});

async function machineWithVolume(
  fly: FaultyFly,
  config: Record<string, unknown> = {},
): Promise<{ machine: WireMachine; volume: string }> {
  const volume = volumeIn(await fly.call("POST", volumes, { name: "data", region: "ams" })).id;
  const machine = machineIn(await createOn(fly, volume, config));
  await fly.clock.advance(1000);
  expect(await stateOf(fly, machine)).toBe("started");
  return { machine, volume };
}

function createOn(fly: FaultyFly, volume: string, config: Record<string, unknown> = {}): Promise<Answer> {
  const mounts = [{ volume, path: "/root" }];
  return fly.call("POST", machines, { name: "one", config: { image, mounts, ...config } });
}

async function destroy(fly: FaultyFly, machine: { id: string }): Promise<void> {
  expect((await fly.call("DELETE", `${machines}/${machine.id}?force=true`)).status).toBe(200);
  await fly.clock.advance(1000);
  expect(await stateOf(fly, machine)).toBe("destroyed");
}

async function refusal(call: Promise<Answer>): Promise<[number, unknown]> {
  const { status, body } = await call;
  return [status, body];
}
