import { expect, it } from "vitest";
import { z } from "zod";
import { startedMachine, startFly, volumeIn, waitFor, withApp } from "../testing/fly.ts";
import { ManualClock } from "../testing/manual-clock.ts";

const volumes = "/apps/acme/volumes";

it("creates a volume with Fly's defaults, shows it, changes it and lets it grow", async () => {
  const fly = await startFly();
  await withApp(fly);
  const created = await fly.call("POST", volumes, { name: "data" });
  expect(created.status).toBe(200);
  expect(created.body).toMatchObject({
    id: expect.stringMatching(/^vol_[0-9a-z]{16}$/),
    name: "data",
    state: "created",
    size_gb: 3,
    region: "ams",
    encrypted: true,
    attached_machine_id: null,
    snapshot_retention: 5,
    auto_backup_enabled: true,
  });
  const path = `${volumes}/${volumeIn(created).id}`;
  expect((await fly.call("PUT", path, { snapshot_retention: 7 })).body).toMatchObject({
    snapshot_retention: 7,
  });
  expect((await fly.call("PUT", `${path}/extend`, { size_gb: 20 })).body).toMatchObject({
    volume: { size_gb: 20 },
    needs_restart: false,
  });
  expect((await fly.call("PUT", `${path}/extend`, { size_gb: 10 })).status).toBe(400);
  expect((await fly.call("GET", path)).body).toMatchObject({ size_gb: 20, snapshot_retention: 7 });
});

it.each([
  { name: "has-dash" },
  { name: "Upper" },
  { name: "x".repeat(31) },
  {},
  { name: "data", size_gb: 501 },
  { name: "data", size_gb: 0 },
  { name: "data", region: "ams,fra" },
  { name: "data", snapshot_id: "vs_none" },
  { name: "data", source_volume_id: "vol_none" },
])("refuses to create %j", async (request) => {
  const fly = await startFly();
  await withApp(fly);
  const answer = await fly.call("POST", volumes, request);
  expect([400, 404, 422]).toContain(answer.status);
  expect(answer.body).toEqual({ error: expect.any(String) });
  expect((await fly.call("GET", volumes)).body).toEqual([]);
});

it("does not delete a volume that a machine has", async () => {
  const fly = await startFly();
  await withApp(fly);
  const { id } = volumeIn(await fly.call("POST", volumes, { name: "data" }));
  const machine = await startedMachine(fly, { config: { mounts: [{ volume: id, path: "/root" }] } });
  const bound = await fly.call("DELETE", `${volumes}/${id}`);
  expect([bound.status, bound.body]).toEqual([
    412,
    { error: `failed_precondition: volume is currently bound to machine: ${machine.id}` },
  ]);
  await fly.call("DELETE", `/apps/acme/machines/${machine.id}?force=true`);
  await waitFor(fly, machine, "destroyed");
  expect(volumeIn(await fly.call("DELETE", `${volumes}/${id}`)).state).toBe("pending_destroy");
});

it("keeps a deleted volume for a day, where it can be seen but not mounted", async () => {
  const clock = new ManualClock();
  const fly = await startFly({ clock });
  await withApp(fly);
  const { id } = volumeIn(await fly.call("POST", volumes, { name: "data" }));
  await fly.call("DELETE", `${volumes}/${id}`);
  await clock.advance(23 * 3600 * 1000);
  expect((await fly.call("GET", volumes)).body).toMatchObject([{ id, state: "pending_destroy" }]);
  const mount = await fly.call("POST", "/apps/acme/machines", {
    config: { image: "i", mounts: [{ volume: id, path: "/root" }] },
  });
  expect([mount.status, mount.body]).toEqual([
    400,
    { error: `invalid_argument: volume does not exist: ${id}` },
  ]);
  await clock.advance(3600 * 1000);
  expect((await fly.call("GET", volumes)).body).toEqual([]);
  const gone = await fly.call("GET", `${volumes}/${id}`);
  expect([gone.status, gone.body]).toEqual([404, { error: "volume not found" }]);
});

it("restores a snapshot into a volume of at least its size", async () => {
  const fly = await startFly();
  await withApp(fly);
  const { id } = volumeIn(await fly.call("POST", volumes, { name: "data", size_gb: 5 }));
  expect((await fly.call("POST", `${volumes}/${id}/snapshots`)).status).toBe(200);
  const list = async (): Promise<{ id: string }[]> =>
    z
      .array(z.looseObject({ id: z.string() }))
      .parse((await fly.call("GET", `${volumes}/${id}/snapshots`)).body);
  await expect.poll(list).toMatchObject([{ status: "created", retention_days: 5 }]);
  const [snapshot] = await list();
  const small = { name: "copy", snapshot_id: snapshot?.id, size_gb: 4 };
  expect((await fly.call("POST", volumes, small)).status).toBe(400);
  const restored = volumeIn(await fly.call("POST", volumes, { name: "copy", snapshot_id: snapshot?.id }));
  expect(restored).toMatchObject({ size_gb: 5 });
  await expect
    .poll(async () => volumeIn(await fly.call("GET", `${volumes}/${restored.id}`)).state)
    .toBe("created");
});

it("forks a volume into another region while a machine runs on it", async () => {
  const fly = await startFly();
  await withApp(fly);
  const { id } = volumeIn(await fly.call("POST", volumes, { name: "data", size_gb: 5, region: "ams" }));
  const mount = (volume: string): object => ({ config: { mounts: [{ volume, path: "/root" }] } });
  await startedMachine(fly, mount(id));
  const fork = await fly.call("POST", volumes, { name: "data", region: "fra", source_volume_id: id });
  expect(fork.body).toMatchObject({
    region: "fra",
    size_gb: 5,
    state: "hydrating",
    attached_machine_id: null,
  });
  const here = await fly.call("POST", volumes, { name: "data", source_volume_id: id });
  expect(here.body).toMatchObject({ region: "ams" });
  const machine = await startedMachine(fly, { region: "fra", ...mount(volumeIn(fork).id) });
  expect(machine.region).toBe("fra");
  expect(volumeIn(await fly.call("GET", `${volumes}/${volumeIn(fork).id}`)).state).toBe("created");
});

it("knows a volume's numbers from when a machine first ran on it", async () => {
  const fly = await startFly();
  await withApp(fly);
  const { id } = volumeIn(await fly.call("POST", volumes, { name: "data", size_gb: 1 }));
  expect((await fly.call("GET", `${volumes}/${id}`)).body).toMatchObject({ blocks: 0, bytes_used: 0 });
  const machine = await startedMachine(fly, { config: { mounts: [{ volume: id, path: "/root" }] } });
  const numbers = { blocks: 262_144, bytes_total: 2 ** 30, bytes_used: 32 * 2 ** 20 };
  expect((await fly.call("GET", `${volumes}/${id}`)).body).toMatchObject(numbers);
  await fly.call("DELETE", `/apps/acme/machines/${machine.id}?force=true`);
  await waitFor(fly, machine, "destroyed");
  expect((await fly.call("GET", `${volumes}/${id}`)).body).toMatchObject(numbers);
  const fork = await fly.call("POST", volumes, { name: "data", source_volume_id: id });
  expect(fork.body).toMatchObject({ blocks: 0, bytes_used: 0 });
});

it("lists and restores the snapshots of a volume that is deleted, and of one that is gone", async () => {
  const clock = new ManualClock();
  const fly = await startFly({ clock });
  await withApp(fly);
  const { id } = volumeIn(await fly.call("POST", volumes, { name: "data" }));
  await fly.call("POST", `${volumes}/${id}/snapshots`);
  await fly.call("DELETE", `${volumes}/${id}`);
  for (const hours of [1, 48]) {
    await clock.advance(hours * 3600_000);
    const list = await fly.call("GET", `${volumes}/${id}/snapshots`);
    expect(list.body).toMatchObject([{ status: "created" }]);
    const [snapshot] = z.array(z.looseObject({ id: z.string() })).parse(list.body);
    const restored = await fly.call("POST", volumes, { name: "data", snapshot_id: snapshot?.id });
    expect([restored.status, restored.body]).toMatchObject([200, { state: "restoring" }]);
  }
  expect((await fly.call("GET", `${volumes}/${id}`)).status).toBe(404);
  expect((await fly.call("GET", `${volumes}/vol_none/snapshots`)).status).toBe(404);
});

it("does not fork a volume that is deleted", async () => {
  const fly = await startFly();
  await withApp(fly);
  const { id } = volumeIn(await fly.call("POST", volumes, { name: "data" }));
  await fly.call("DELETE", `${volumes}/${id}`);
  const fork = await fly.call("POST", volumes, { name: "data", source_volume_id: id });
  expect([fork.status, fork.body]).toEqual([404, { error: "volume not found" }]);
});
