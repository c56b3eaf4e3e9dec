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
