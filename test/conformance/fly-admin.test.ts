// The package's own entry cannot be pointed at another address than Fly's; its client can.
import Client from "fly-admin/dist/client.js";
import { ConnectionHandler } from "fly-admin/dist/lib/machine.js";
import { StateEnum } from "fly-admin/dist/lib/types.js";
import { expect, it } from "vitest";
import { startFly } from "../../infrastructure/local/fly/testing/fly.ts";
import { image } from "./cloud.ts";

/** Macaroons come in the form in which Fly gives them out. */
const token = "FlyV1 fm2_one,fm2_two";

it("serves a client that is not ours through a machine's whole life", async () => {
  const { apiUrl } = await startFly({ token });
  const { App, Machine, Volume } = new Client(token, { apiUrl });
  await App.createApp({ app_name: "acme", org_slug: "kilo", network: "net" });
  expect(await App.getApp("acme")).toMatchObject({ name: "acme", organization: { slug: "kilo" } });
  const volume = await Volume.createVolume({ app_name: "acme", name: "data", region: "ams", size_gb: 2 });
  expect(volume).toMatchObject({ state: "created", attached_machine_id: null });

  const config = {
    image,
    env: { COLOR: "blue" },
    mounts: [{ volume: volume.id, path: "/root" }],
    services: [
      {
        protocol: "tcp" as const,
        internal_port: 8080,
        ports: [{ port: 443, handlers: [ConnectionHandler.TLS, ConnectionHandler.HTTP] }],
      },
    ],
  };
  const created = await Machine.createMachine({ app_name: "acme", name: "one", region: "ams", config });
  expect(created).toMatchObject({ name: "one", state: "created" });
  const machine = { app_name: "acme", machine_id: created.id };
  const waitFor = (state: StateEnum, instance_id = created.instance_id) =>
    Machine.waitMachine({ ...machine, state, instance_id, timeout: "10s" });
  expect(await waitFor(StateEnum.Started)).toMatchObject({ ok: true });
  expect(await Machine.getMachine(machine)).toMatchObject({ state: "started", config: { env: config.env } });

  const again = Machine.createMachine({ app_name: "acme", name: "one", region: "ams", config });
  await expect(again).rejects.toThrow(`409: {"error":"already_exists: unique machine name violation`);

  await Machine.stopMachine(machine);
  await waitFor(StateEnum.Stopped);
  await Machine.startMachine(machine);
  await waitFor(StateEnum.Started);
  await Machine.restartMachine(machine);
  await waitFor(StateEnum.Started);
  const updated = await Machine.updateMachine({ ...machine, config: { ...config, env: { COLOR: "red" } } });
  expect(updated.instance_id).not.toBe(created.instance_id);
  await waitFor(StateEnum.Started, updated.instance_id);
  expect(await Machine.listVersions(machine)).toMatchObject([
    { version: updated.instance_id },
    { version: created.instance_id },
  ]);
  const lease = await Machine.acquireLease({ ...machine, ttl: 1 });
  expect(await Machine.getLease(machine)).toMatchObject({ data: { nonce: lease.data.nonce } });
  await expect(Machine.startMachine(machine)).rejects.toThrow("409: ");
  expect(await Machine.listMachines({ app_name: "acme", region: "ams" })).toMatchObject([{ id: created.id }]);
  expect((await Machine.listEvents(machine))[0]).toMatchObject({ type: "start", status: "started" });

  const fork = { app_name: "acme", name: "data", region: "fra", source_volume_id: volume.id };
  await Volume.createVolume(fork);
  await Volume.extendVolume({ app_name: "acme", volume_id: volume.id, size_gb: 3 });
  expect(await Volume.getVolume({ app_name: "acme", volume_id: volume.id })).toMatchObject({
    size_gb: 3,
    attached_machine_id: created.id,
  });
  expect(await Volume.listVolumes("acme")).toHaveLength(2);

  // It blocks until the lease is over.
  await Machine.deleteMachine({ ...machine, force: true });
  await Machine.waitMachine({ ...machine, state: StateEnum.Destroyed, timeout: "10s" });
  await Volume.deleteVolume({ app_name: "acme", volume_id: volume.id });
  expect(await App.listApps("kilo")).toMatchObject({ apps: [{ name: "acme", machine_count: 0 }] });
  await App.deleteApp("acme");
  await expect.poll(() => App.getApp("acme").catch(String)).toContain("404: ");
});
