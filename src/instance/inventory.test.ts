import { expect, it } from "vitest";
import { inventory } from "./inventory.ts";
import type { Inventory } from "./observation.ts";
import { appAtFly, valueOf } from "./testing/app-at-fly.ts";
import { ownAppAt } from "./testing/records.ts";

/** The ids of what was found, in its order. */
function idsOf(found: Inventory) {
  if (found.kind !== "seen") throw new Error(`the inventory is ${found.kind}`);
  return { machines: found.machines.map(({ id }) => id), volumes: found.volumes.map(({ id }) => id) };
}

it("finds what carries the tenant's metadata or the volume's name, and nothing of others", async () => {
  const { fly, record, machine, volume } = await appAtFly("inventory");
  const volumeId = await volume();
  const machineId = await machine({ volume: volumeId });
  await machine({ name: "other", userId: "another", sandboxId: "another" });
  // Another user's with our sandbox id can't be, and is not taken for ours.
  await machine({ name: "forged", userId: "another" });
  await volume("kc_of_another");
  const found = await inventory(record(), fly);
  expect(idsOf(found)).toEqual({ machines: [machineId], volumes: [volumeId] });
  expect(found).toMatchObject({
    machines: [{ phase: "up", ours: true, mount: { volumeId, isRightPath: true, options: {} } }],
    volumes: [{ holder: { id: machineId }, hasData: true, isReachable: true }],
  });
});

it("finds nothing where there is nothing, or only what is on its way out", async () => {
  const { fly, record, machine, volume } = await appAtFly("inventory-gone");
  expect(idsOf(await inventory(record(), fly))).toEqual({ machines: [], volumes: [] });
  const [machineId, volumeId] = [await machine(), await volume()];
  valueOf(await fly.destroyMachine(record().appName, machineId));
  valueOf(await fly.deleteVolume(record().appName, volumeId));
  await fly.waitForMachine(record().appName, machineId, "destroyed", "", 10, new AbortController().signal);
  expect(idsOf(await inventory(record(), fly))).toEqual({ machines: [], volumes: [] });
});

it("finds a machine that no list has by the volume that it holds", async () => {
  const { fly, record, machine, volume, fault } = await appAtFly("inventory-held");
  const volumeId = await volume();
  const machineId = await machine({ volume: volumeId });
  await fault({ action: "machine_list", effect: { kind: "empty" } });
  expect(idsOf(await inventory(record(), fly))).toEqual({ machines: [machineId], volumes: [volumeId] });
});

it("believes no list alone, but what each thing itself tells", async () => {
  const { fly, record, machine, volume, fault } = await appAtFly("inventory-listed");
  await machine({ volume: await volume() });
  const gone = (what: string) => ({ kind: "error", status: 404, body: { error: `${what} not found` } });
  await fault(
    { action: "machine_get", effect: gone("machine"), times: 9 },
    { action: "volume_get", effect: gone("volume"), times: 9 },
  );
  expect(idsOf(await inventory(record(), fly))).toEqual({ machines: [], volumes: [] });
});

it.each(["machine_list", "volume_list", "machine_get", "volume_get"])(
  "knows nothing when a call for it fails (%s)",
  async (action) => {
    const { fly, record, machine, volume, fault } = await appAtFly(`inventory-${action.replace("_", "-")}`);
    await machine({ volume: await volume() });
    await fault({ action, effect: { kind: "error", status: 503, body: { error: "unavailable" } } });
    const found = await inventory(record(), fly);
    // Something was in a list, and only the look at it failed.
    expect(found).toMatchObject({ kind: "unknown", isThere: action.endsWith("_get") });
  },
);

it("keeps what is on a host that is away in view", async () => {
  const { fly, record, machine, volume, happen } = await appAtFly("inventory-away");
  const volumeId = await volume();
  const machineId = await machine({ volume: volumeId });
  await happen({ kind: "snapshot", volume: volumeId });
  await happen({ kind: "host_down", machine: machineId });
  expect(await inventory(record(), fly)).toMatchObject({
    kind: "seen",
    machines: [{ kind: "unreachable", id: machineId }],
    volumes: [{ id: volumeId, isReachable: false, snapshot: { id: expect.any(String) } }],
  });
  await happen({ kind: "host_up", machine: machineId });
});

it("finds nothing in an app of the tenant's own that does not exist, and knows nothing of a shared one", async () => {
  const { fly, record } = await appAtFly("inventory-app");
  const ownApp = ownAppAt("ready");
  const elsewhere = { appName: "kc-of-nobody" };
  expect(idsOf(await inventory(record({ ...elsewhere, ownApp }), fly))).toEqual({
    machines: [],
    volumes: [],
  });
  expect(await inventory(record(elsewhere), fly)).toMatchObject({ kind: "unknown" });
});
