import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { expect, it } from "vitest";
import type { Hold, Order } from "./testing/gate.ts";
import { tenant, type Tenant } from "./testing/tenant.ts";

const VOLUME_CREATE = { method: "POST", path: "^/volumes$" } as const;
const MACHINE_CREATE = { method: "POST", path: "^/machines$" } as const;

/** Ends the object while it waits for the call, which it does for good. */
async function crashAt(
  made: Tenant,
  order: Omit<Order, "app">,
  operate: () => Promise<unknown>,
): Promise<Hold> {
  const held = await made.hold(order);
  const ended = operate().then(() => "it went on", String);
  await held.caught();
  await made.crash();
  expect(await ended).toContain("crashed");
  return held;
}

/** Where nothing of the instance is at Fly that its record does not know. */
async function expectRunningAlone(made: Tenant): Promise<void> {
  const view = await made.view();
  expect(view).toMatchObject({ status: "running", lastError: null });
  expect((await made.machines()).map(({ id }) => id)).toEqual([view?.flyMachineId]);
  expect((await made.volumes()).map(({ id }) => id)).toEqual([view?.flyVolumeId]);
}

it.each([
  ["volume", VOLUME_CREATE],
  ["machine", MACHINE_CREATE],
])("finds the %s by its name that was made as the object crashed", async (kind, create) => {
  const made = await tenant(`crash-after-${kind}`);
  const held = await crashAt(made, { ...create, when: "after" }, () => made.instance.start(made.userId));
  await held.release();
  expect(await made.stored()).toMatchObject({ creating: { kind }, [kind]: null });
  await runDurableObjectAlarm(made.instance);
  await expectRunningAlone(made);
  const creates = (await made.calls()).filter(
    ({ method, path }) => method === "POST" && path === `/${kind}s`,
  );
  expect(creates).toHaveLength(1);
});

it("makes no second machine beside one that Fly makes only after the object crashed and looked", async () => {
  const made = await tenant("crash-before");
  const held = await crashAt(made, { ...MACHINE_CREATE, when: "before" }, () =>
    made.instance.start(made.userId),
  );
  const look = await made.hold({ method: "GET", path: "^/machines\\?", when: "after" });
  const ringing = runDurableObjectAlarm(made.instance);
  await look.caught();
  await held.release();
  await expect.poll(async () => (await made.machines()).length).toBe(1);
  await look.release();
  await ringing;
  await expectRunningAlone(made);
});

it("is evicted only when a create that nobody waits for is answered, and knows what it made afterwards", async () => {
  const made = await tenant("evicted", { intent: "running", status: "starting" });
  const held = await made.hold({ ...MACHINE_CREATE, when: "after" });
  await made.instance.doubt();
  await held.caught();
  const evicted = evictDurableObject(made.instance);
  await held.release();
  await evicted;
  expect(await made.stored()).toMatchObject({ creating: null, machine: { id: expect.any(String) } });
  await runDurableObjectAlarm(made.instance);
  await expectRunningAlone(made);
});

it.each([
  ["the machine", "^/machines/"],
  ["the volume", "^/volumes/"],
])("goes on destroying after a crash while it deleted %s", async (what, path) => {
  const made = await tenant(`crash-delete-${what.slice(4)}`);
  await made.instance.start(made.userId);
  const destroy = () => made.instance.destroy(made.userId, { force: false });
  const held = await crashAt(made, { method: "DELETE", path, when: "after" }, destroy);
  await held.release();
  expect(await made.stored()).toMatchObject({ intent: "destroyed", status: "destroying" });
  await runDurableObjectAlarm(made.instance);
  expect(await made.stored()).toBeNull();
  expect(await made.machines()).toEqual([]);
  expect(await made.volumes()).toEqual([]);
});

it("does not bring a machine up again whose start was under way as the object crashed and its user stopped it", async () => {
  const made = await tenant("crash-stop");
  await made.instance.start(made.userId);
  await made.instance.stop(made.userId);
  const held = await crashAt(made, { method: "POST", path: "/start$", when: "before" }, () =>
    made.instance.start(made.userId),
  );
  const stopping = made.instance.stop(made.userId);
  await held.release();
  await stopping;
  await runDurableObjectAlarm(made.instance);
  expect(await made.machines()).toMatchObject([{ state: "stopped" }]);
  expect(await made.view()).toMatchObject({ status: "stopped" });
});
