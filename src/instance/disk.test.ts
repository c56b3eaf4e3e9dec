import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { countWrites, failWrites, mendWrites } from "./testing/disk.ts";
import { HOUR_MS } from "./testing/records.ts";
import { type Tenant, tenant } from "./testing/tenant.ts";

const failing = async (operation: PromiseLike<unknown>): Promise<string> => {
  try {
    await operation;
    return "it did not fail";
  } catch (error) {
    return String(error);
  }
};

it("sends nothing to Fly when it can't store what a user wants, and says that it failed", async () => {
  const made = await tenant("disk-intent");
  await failWrites(made);
  expect(await failing(made.instance.start(made.userId))).toContain("the disk is full");
  expect(await made.calls()).toEqual([]);
  await made.crash();
  expect(await made.view()).toMatchObject({ status: "provisioned" });
});

it("finds by its name what it made and could not write down", async () => {
  const made = await tenant("disk-outcome");
  const held = await made.hold({ method: "POST", path: "^/machines$", when: "after" });
  const failed = failing(made.instance.start(made.userId));
  await held.caught();
  await failWrites(made);
  await held.release();
  expect(await failed).toContain("the disk is full");
  await made.crash();
  expect(await made.stored()).toMatchObject({ creating: { kind: "machine" }, machine: null });
  await runDurableObjectAlarm(made.instance);
  const view = await made.view();
  expect(view).toMatchObject({ status: "running" });
  expect((await made.machines()).map(({ id }) => id)).toEqual([view?.flyMachineId]);
});

it("goes on by itself when the disk can be written again, though an operation failed", async () => {
  const made = await tenant("disk-again");
  const held = await made.hold({ method: "POST", path: "^/volumes$", when: "after" });
  const failed = failing(made.instance.start(made.userId));
  await held.caught();
  await failWrites(made);
  await held.release();
  await failed;
  await mendWrites(made);
  await runDurableObjectAlarm(made.instance);
  expect(await made.view()).toMatchObject({ status: "running" });
  expect(await made.volumes()).toHaveLength(1);
});

it("rings again though nothing could be written while it rang", async () => {
  const made = await tenant("disk-alarm");
  const held = await made.hold({ method: "POST", path: "^/volumes$", when: "after" });
  const failed = failing(made.instance.start(made.userId));
  await held.caught();
  await failWrites(made);
  await held.release();
  await failed;
  expect(await runDurableObjectAlarm(made.instance)).toBe(true);
  const alarmAt = (await made.alarmAt()) ?? 0;
  expect(alarmAt).toBeGreaterThan(Date.now());
  expect(alarmAt).toBeLessThan(Date.now() + 70_000);
});

/** The creates that were sent. */
async function createsOf(made: Tenant): Promise<string[]> {
  const calls = await made.calls();
  return calls
    .filter(({ method, path }) => method === "POST" && /^\/(?:volumes|machines)$/.test(path))
    .map(({ path }) => path);
}

/** Starts, and is caught by a disk that fails when Fly has made the machine. */
async function startOnFailingDisk(made: Tenant, what: "log" | "alarm"): Promise<string> {
  const held = await made.hold({ method: "POST", path: "^/machines$", when: "after" });
  const failed = failing(made.instance.start(made.userId));
  await held.caught();
  await failWrites(made, what);
  await held.release();
  return failed;
}

describe.each(["log", "alarm"] as const)("an object that can't write its %s", (what) => {
  it("sends nothing to Fly for a wish, says that it failed, and does it when asked again", async () => {
    const made = await tenant(`disk-${what}-intent`);
    await failWrites(made, what);
    expect(await failing(made.instance.start(made.userId))).toContain("the disk is full");
    expect(await made.calls()).toEqual([]);
    await mendWrites(made);
    expect(await made.instance.start(made.userId)).toEqual({ kind: "settled", status: "running" });
    expect(await createsOf(made)).toEqual(["/volumes", "/machines"]);
  });

  it("does what was wished by the alarm of before, though the wish seemed to fail", async () => {
    const made = await tenant(`disk-${what}-stop`);
    await made.instance.start(made.userId);
    await failWrites(made, what);
    expect(await failing(made.instance.stop(made.userId))).toContain("the disk is full");
    expect(await made.machines()).toMatchObject([{ state: "started" }]);
    await mendWrites(made);
    expect(await runDurableObjectAlarm(made.instance)).toBe(true);
    expect(await made.view()).toMatchObject({ status: "stopped", lastError: null });
    expect(await made.machines()).toMatchObject([{ state: "stopped" }]);
  });

  it("makes nothing twice that was made as the writes failed, and forgets none of it", async () => {
    const made = await tenant(`disk-${what}-create`);
    expect(await startOnFailingDisk(made, what)).toContain("the disk is full");
    await mendWrites(made);
    expect(await runDurableObjectAlarm(made.instance)).toBe(true);
    const view = await made.view();
    expect(view).toMatchObject({ status: "running", lastError: null });
    expect((await made.machines()).map(({ id }) => id)).toEqual([view?.flyMachineId]);
    expect((await made.volumes()).map(({ id }) => id)).toEqual([view?.flyVolumeId]);
    expect(await createsOf(made)).toEqual(["/volumes", "/machines"]);
  });
});

it("fails for the runtime to ring again where it can't arm its successor, and sends nothing before", async () => {
  const made = await tenant("disk-successor", { intent: "running", status: "starting" });
  await runInDurableObject(made.instance, (_object, { storage }) => storage.setAlarm(Date.now() + HOUR_MS));
  await failWrites(made, "alarm");
  // A handler that throws is called again by the runtime (docs: durable-objects/api/alarms).
  expect(await failing(runDurableObjectAlarm(made.instance))).toContain("the disk is full");
  expect(await made.calls()).toEqual([]);
});

/** What a pass costs for which there is nothing to do: the second one, since the first may note what it sees. */
async function idlePass(made: Tenant) {
  await evictDurableObject(made.instance);
  await runDurableObjectAlarm(made.instance);
  const events = await made.logged("step");
  const before = (await made.calls()).length;
  const writes = await countWrites(made);
  await runDurableObjectAlarm(made.instance);
  expect(await made.logged("step")).toEqual(events);
  return { calls: (await made.calls()).slice(before).map(({ method }) => method), writes: { ...writes } };
}

it("costs one call to Fly and one write, the next alarm, to find an instance at rest as it is wanted", async () => {
  const made = await tenant("idle");
  await made.instance.provision({ userId: made.userId });
  const provisioned = await idlePass(made);
  await made.instance.start(made.userId);
  const running = await idlePass(made);
  await made.instance.stop(made.userId);
  const stopped = await idlePass(made);
  for (const { calls, writes } of [provisioned, running, stopped]) {
    expect(calls).toEqual(["GET"]);
    expect(writes).toEqual({ record: 0, alarm: 1 });
  }
});
