import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { HOUR_MS, MINUTE_MS, overCreate } from "./testing/records.ts";
import { fly, tenant, type Tenant } from "./testing/tenant.ts";

/** Lets the alarm ring, whenever it was to, and waits until it has. */
async function ring(made: Tenant): Promise<void> {
  await runInDurableObject(made.instance, (_object, { storage }) => storage.setAlarm(Date.now() + HOUR_MS));
  await runDurableObjectAlarm(made.instance);
}

it("goes on where an operation ended days ago, though the alarm came that late", async () => {
  const daysAgo = Date.now() - 72 * HOUR_MS;
  const made = await tenant("alarm-late", {
    intent: "running",
    status: "starting",
    statusSince: daysAgo,
    provisionedAt: daysAgo,
    creating: overCreate("volume", { sentAt: daysAgo, name: "kc_late", empty: null }),
    retryAt: daysAgo + 1_000,
    failures: 1,
  });
  // What the create of those days made, under the name of the record.
  const { volumeName = "" } = (await made.stored()) ?? {};
  const compute = { cpu_kind: "shared", cpus: 2, memory_mb: 3_072 } as const;
  const left = await fly.createVolume(made.app, { name: volumeName, region: "ams", size_gb: 10, compute });
  await ring(made);
  expect(await made.view()).toMatchObject({ status: "running", lastError: null });
  expect((await made.volumes()).map(({ id }) => id)).toEqual([left.ok ? left.value.id : ""]);
  expect(await made.machines()).toHaveLength(1);
});

it("is armed before anything is asked of Fly, and no second time for an instance at rest", async () => {
  const made = await tenant("alarm-armed");
  await made.instance.start(made.userId);
  const held = await made.hold({ method: "GET", path: "^/machines/", when: "before" });
  const rang = ring(made);
  await held.caught();
  const armedAt = await made.alarmAt();
  expect((armedAt ?? 0) - Date.now()).toBeGreaterThan(4 * MINUTE_MS);
  expect((armedAt ?? 0) - Date.now()).toBeLessThan(6 * MINUTE_MS);
  await held.release();
  await rang;
  expect(await made.alarmAt()).toBe(armedAt);
});

it("does nothing for an object without a record, and is not armed for it", async () => {
  const made = await tenant("alarm-nobody");
  await runInDurableObject(made.instance, (_object, { storage }) => storage.kv.delete("instance"));
  await ring(made);
  expect(await made.alarmAt()).toBeNull();
  expect(await made.calls()).toEqual([]);
});

it("is left alone by a record that can't be read, but rings again in case a newer version can", async () => {
  const made = await tenant("alarm-unreadable");
  const garbage = { version: 99, of: "the future" };
  await runInDurableObject(made.instance, (_object, { storage }) => storage.kv.put("instance", garbage));
  await ring(made);
  expect(((await made.alarmAt()) ?? 0) - Date.now()).toBeGreaterThan(0);
  expect(await made.calls()).toEqual([]);
  const stored = await runInDurableObject(made.instance, (_object, { storage }) =>
    storage.kv.get("instance"),
  );
  expect(stored).toEqual(garbage);
});
