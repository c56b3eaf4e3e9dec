import { expect, it } from "vitest";
import { z } from "zod";
import { startFaultyFly, startFaultyProcessFly } from "../testing/faulty-fly.ts";
import { image, machineIn, stateOf, volumeIn, waitFor, type WireMachine } from "../testing/fly.ts";
import { wallClock } from "../clock.ts";
import { ask, services } from "../testing/process.ts";

type FaultyFly = Awaited<ReturnType<typeof startFaultyFly>>;

const machines = "/apps/acme/machines";
const volumes = "/apps/acme/volumes";

it.each(["stopped", "failed"])("lets a machine die, which is then %s and stays so", async (state) => {
  const fly = await startFaultyFly();
  const { machine } = await machineWithVolume(fly);
  await fly.happen({ kind: "machine_dies", machine: machine.id, state });
  await fly.clock.advance(3600_000);
  expect(machineIn(await fly.call("GET", `${machines}/${machine.id}`))).toMatchObject({
    state,
    events: expect.arrayContaining([expect.objectContaining({ type: "exit", source: "flyd" })]),
  });
  expect((await fly.call("POST", `${machines}/${machine.id}/start`)).status).toBe(200);
});

it("kills a machine's program, after which the restart policy decides", async () => {
  const fly = await startFaultyFly();
  const { machine } = await machineWithVolume(fly, { restart: { policy: "on-failure" } });
  await fly.happen({ kind: "machine_crashes", machine: machine.id });
  await expect.poll(() => stateOf(fly, machine)).toBe("restarting");
  await fly.clock.advance(10_000);
  expect(await stateOf(fly, machine)).toBe("started");
});

it("loses a machine without a trace, and frees its volume and its name", async () => {
  const fly = await startFaultyFly();
  const { machine, volume } = await machineWithVolume(fly);
  const waiting = fly.call("GET", `${machines}/${machine.id}/wait?state=stopped&timeout=60`);
  await expect.poll(() => fly.clock.pending).toBeGreaterThan(1);
  await fly.happen({ kind: "machine_lost", machine: machine.id });
  expect((await waiting).status).toBe(404);
  expect((await fly.call("GET", `${machines}/${machine.id}`)).status).toBe(404);
  expect((await fly.call("GET", `${machines}?include_deleted=true`)).body).toEqual([]);
  const mounts = [{ volume, path: "/root" }];
  expect((await fly.call("POST", machines, { name: "one", config: { image, mounts } })).status).toBe(200);
});

it("loses a volume, whose snapshots stay", async () => {
  const fly = await startFaultyFly();
  const { volume } = await machineWithVolume(fly);
  await fly.happen({ kind: "snapshot", volume, agoMs: 6 * 3600_000 });
  await fly.happen({ kind: "volume_lost", volume });
  expect((await fly.call("GET", `${volumes}/${volume}`)).status).toBe(404);
  expect((await fly.call("GET", volumes)).body).toEqual([]);
  const snapshots = await fly.call("GET", `${volumes}/${volume}/snapshots`);
  expect(snapshots.body).toMatchObject([{ status: "created", created_at: "2026-11-19T18:00:01.000Z" }]);
});

it("lets time go by where it stands still, and only there", async () => {
  const fly = await startFaultyFly();
  const before = fly.clock.now();
  await fly.happen({ kind: "time", forMs: 60_000 });
  expect(fly.clock.now() - before).toBe(60_000);
  const real = await startFaultyFly({ clock: wallClock });
  expect((await real.test("POST", "/cloud", { kind: "time", forMs: 1 })).status).toBe(409);
});

it.each([
  { kind: "machine_dies", machine: "0123456789abcd" },
  { kind: "machine_moved", machine: "0123456789abcd" },
  { kind: "volume_lost", volume: "vol_none" },
  { kind: "snapshot", volume: "vol_none" },
  { kind: "machine_crashes", machine: "0123456789abcd" },
  { kind: "host_down" },
  { kind: "earthquake" },
])("refuses the happening %j", async (happening) => {
  const fly = await startFaultyFly();
  expect([400, 404, 409]).toContain((await fly.test("POST", "/cloud", happening)).status);
});

it("moves a machine to another host with its data, and leaves the old volume behind", async () => {
  const fly = await startFaultyProcessFly();
  const volume = volumeIn(await fly.call("POST", volumes, { name: "data" })).id;
  const config = { image, services, mounts: [{ volume, path: "/root" }] };
  const machine = machineIn(await fly.call("POST", machines, { config }));
  await waitFor(fly, machine, "started");
  await ask(fly, machine, "/diary", { method: "PUT", body: "kept" });
  await fly.happen({ kind: "machine_moved", machine: machine.id });
  await waitFor(fly, machine, "started");
  const after = machineIn(await fly.call("GET", `${machines}/${machine.id}`));
  const mounts = z.object({ mounts: z.array(z.object({ volume: z.string() })) }).parse(after.config).mounts;
  expect(mounts[0]?.volume).not.toBe(volume);
  expect(after.instance_id).not.toBe(machine.instance_id);
  expect(after.events).toContainEqual(
    expect.objectContaining({ type: "launch", request: { migrated: true } }),
  );
  expect(await (await ask(fly, machine, "/diary")).text()).toBe("kept");
  const old = volumeIn(await fly.call("GET", `${volumes}/${volume}`));
  expect(old).toMatchObject({ state: "pending_destroy", attached_machine_id: null });
  const current = volumeIn(await fly.call("GET", `${volumes}/${mounts[0]?.volume}`));
  expect(current).toMatchObject({ state: "created", attached_machine_id: machine.id });
});

it("cuts a machine on a dead host off from those who ask it, and lets it go on afterwards", async () => {
  const fly = await startFaultyProcessFly();
  const machine = machineIn(await fly.call("POST", machines, { config: { image, services } }));
  await waitFor(fly, machine, "started");
  const answered = (): Promise<number> => ask(fly, machine, "/env").then(({ status }) => status);
  await expect.poll(answered).toBe(200);
  await fly.happen({ kind: "host_down", machine: machine.id });
  expect(await answered()).toBe(502);
  await fly.happen({ kind: "host_up", machine: machine.id });
  expect(await answered()).toBe(200);
});

async function machineWithVolume(
  fly: FaultyFly,
  config: Record<string, unknown> = {},
): Promise<{ machine: WireMachine; volume: string }> {
  const volume = volumeIn(await fly.call("POST", volumes, { name: "data" })).id;
  const mounts = [{ volume, path: "/root" }];
  const machine = machineIn(
    await fly.call("POST", machines, { name: "one", config: { image, mounts, ...config } }),
  );
  await fly.clock.advance(1000);
  expect(await stateOf(fly, machine)).toBe("started");
  return { machine, volume };
}
