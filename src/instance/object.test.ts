import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, inject, it } from "vitest";
import type { KiloClawInstance } from "./object.ts";

const instanceOf = (userId: string): DurableObjectStub<KiloClawInstance> =>
  env.KILOCLAW_INSTANCE.getByName(userId);

const viewOf = async (instance: DurableObjectStub<KiloClawInstance>) => {
  const result = await instance.status();
  return result.kind === "status" ? result.view : null;
};

/** Does something to a machine at Fly that the Worker knows nothing of. */
async function atFly(method: string, path: string): Promise<void> {
  const url = new URL(`/v1/apps/${env.FLY_APP_NAME}/machines/${path}`, inject("flyApiUrl"));
  const response = await fetch(url, { method, headers: { authorization: `Bearer ${env.FLY_API_TOKEN}` } });
  expect(response.status).toBe(200);
}

async function running(
  userId: string,
): Promise<{ instance: DurableObjectStub<KiloClawInstance>; machineId: string }> {
  const instance = instanceOf(userId);
  await instance.provision({ userId });
  expect(await instance.start(userId)).toEqual({ kind: "settled", status: "running" });
  return { instance, machineId: (await viewOf(instance))?.flyMachineId ?? "" };
}

async function problemsOf(instance: DurableObjectStub<KiloClawInstance>): Promise<string[]> {
  const result = await instance.events(100);
  return result.kind === "events"
    ? result.events.filter(({ kind }) => kind === "problem").map(({ what }) => what)
    : [];
}

it("brings a machine back that stopped on its own, and tells that it did", async () => {
  const { instance, machineId } = await running("stopped-machine");
  await atFly("POST", `${machineId}/stop`);
  await atFly("GET", `${machineId}/wait?state=stopped&timeout=10`);
  await evictDurableObject(instance);
  // The pause after the first start is over when the alarm rings in life; here a user does not want to wait.
  await runDurableObjectAlarm(instance);
  expect(await viewOf(instance)).toMatchObject({
    status: "running",
    flyMachineId: machineId,
    lastError: null,
  });
  expect(await problemsOf(instance)).toContain("machine_stopped");
  await instance.destroy("stopped-machine", { force: false });
});

it("makes a machine anew that is gone, on the same volume", async () => {
  const { instance, machineId } = await running("gone-machine");
  const before = await viewOf(instance);
  await atFly("DELETE", `${machineId}?force=true`);
  await atFly("GET", `${machineId}/wait?state=destroyed&timeout=10`);
  await runDurableObjectAlarm(instance);
  const after = await viewOf(instance);
  expect(after).toMatchObject({ status: "running", flyVolumeId: before?.flyVolumeId });
  expect(after?.flyMachineId).not.toBe(machineId);
  expect(await problemsOf(instance)).toContain("machine_gone");
  await instance.destroy("gone-machine", { force: false });
});

it("leaves a stopped instance stopped, whoever rings", async () => {
  const { instance } = await running("left-alone");
  await instance.stop("left-alone");
  await runDurableObjectAlarm(instance);
  await instance.doubt();
  await evictDurableObject(instance);
  await runDurableObjectAlarm(instance);
  expect(await viewOf(instance)).toMatchObject({ status: "stopped", lastError: null });
  expect(await instance.resolveRoute("left-alone")).toMatchObject({ kind: "not_running", status: "stopped" });
  await instance.destroy("left-alone", { force: false });
});

it("always has an alarm while it exists, and none after", async () => {
  const { instance } = await running("watched");
  const alarm = () => runInDurableObject(instance, (_object, { storage }) => storage.getAlarm());
  const minutesAhead = ((await alarm()) ?? 0) / 60_000 - Date.now() / 60_000;
  expect(minutesAhead).toBeGreaterThan(1);
  expect(minutesAhead).toBeLessThan(6);
  await runDurableObjectAlarm(instance);
  expect(await alarm()).not.toBeNull();
  await instance.destroy("watched", { force: false });
  expect(await alarm()).toBeNull();
});

it("never takes a record that it can't read for none, and never overwrites it", async () => {
  const instance = instanceOf("unreadable");
  const garbage = { version: 99, secret: "kept" };
  await runInDurableObject(instance, (_object, { storage }) => storage.kv.put("instance", garbage));
  await evictDurableObject(instance);
  expect(await instance.provision({ userId: "unreadable" })).toEqual({ kind: "state_unreadable" });
  expect(await instance.start("unreadable")).toEqual({ kind: "state_unreadable" });
  expect(await instance.destroy("unreadable", { force: false })).toEqual({ kind: "state_unreadable" });
  expect(await instance.status()).toEqual({ kind: "state_unreadable" });
  await runDurableObjectAlarm(instance);
  const stored = await runInDurableObject(instance, (_object, { storage }) => storage.kv.get("instance"));
  expect(stored).toEqual(garbage);
});

it("refuses a provision while it is being destroyed", async () => {
  const { instance } = await running("doomed");
  const destroyed = instance.destroy("doomed", { force: false });
  expect(await instance.provision({ userId: "doomed" })).toEqual({ kind: "destroying" });
  expect(await instance.start("doomed")).toEqual({ kind: "destroying" });
  expect(await destroyed).toEqual({ kind: "settled", status: "destroying" });
  expect(await instance.provision({ userId: "doomed" })).toMatchObject({ kind: "provisioned" });
  await instance.destroy("doomed", { force: false });
});
