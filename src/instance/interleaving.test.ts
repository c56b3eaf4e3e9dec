import { runDurableObjectAlarm } from "cloudflare:test";
import { expect, it } from "vitest";
import { tenant, type Tenant } from "./testing/tenant.ts";

type Wish = "start" | "stop" | "restart" | "destroy" | "repair";

const wish = (made: Tenant, what: Wish) => {
  const { instance, userId } = made;
  return what === "destroy" ? instance.destroy(userId, { force: false }) : instance[what](userId);
};

/** Asks for all of it in one breath, and gives the answers when all are there. */
const askAtOnce = (made: Tenant, wishes: Wish[]) => Promise.all(wishes.map(async (what) => wish(made, what)));

async function expectNothingLeft(made: Tenant): Promise<void> {
  expect(await made.stored()).toBeNull();
  expect(await made.machines()).toEqual([]);
  expect(await made.volumes()).toEqual([]);
  expect(await made.alarmAt()).toBeNull();
}

async function createsOf(made: Tenant, kind: "machines" | "volumes"): Promise<number> {
  const calls = await made.calls();
  return calls.filter(({ method, path }) => method === "POST" && path === `/${kind}`).length;
}

it("ends destroyed, with nothing left, when everything is wished for at once and that last", async () => {
  const made = await tenant("at-once-destroy");
  const answers = await askAtOnce(made, ["start", "stop", "start", "destroy", "start", "stop"]);
  expect(answers.slice(4)).toEqual([{ kind: "destroying" }, { kind: "destroying" }]);
  expect(answers[3]).toEqual({ kind: "settled", status: "destroying" });
  await expectNothingLeft(made);
});

it.each([
  [["start", "stop", "start"], "running", "started"],
  [["start", "stop", "start", "stop"], "stopped", "stopped"],
  [["start", "restart", "stop", "repair", "restart"], "running", "started"],
] as const)("ends as was wished last of %j", async (wishes, status, flyState) => {
  const made = await tenant(`at-once-${wishes.join("-")}`);
  await made.instance.start(made.userId);
  const answers = await askAtOnce(made, [...wishes]);
  expect(answers.at(-1)).toEqual({ kind: "settled", status });
  expect(await made.machines()).toMatchObject([{ state: flyState }]);
  expect(await made.view()).toMatchObject({ status, lastError: null });
  expect([await createsOf(made, "machines"), await createsOf(made, "volumes")]).toEqual([1, 1]);
});

it("takes away the volume again that a provision was making when its user destroyed it", async () => {
  const made = await tenant("destroy-provision");
  const held = await made.hold({ method: "POST", path: "^/volumes$", when: "before" });
  const provisioned = made.instance.provision({ userId: made.userId });
  await held.caught();
  const destroyed = made.instance.destroy(made.userId, { force: false });
  expect(await made.view()).toMatchObject({ status: "destroying" });
  await held.release();
  expect(await destroyed).toEqual({ kind: "settled", status: "destroying" });
  await provisioned;
  await expectNothingLeft(made);
});

it("stops the machine that was being made when its user stopped it", async () => {
  const made = await tenant("stop-create");
  const held = await made.hold({ method: "POST", path: "^/machines$", when: "before" });
  const started = made.instance.start(made.userId);
  await held.caught();
  const stopped = made.instance.stop(made.userId);
  await held.release();
  expect(await stopped).toEqual({ kind: "settled", status: "stopped" });
  await started;
  expect(await made.machines()).toMatchObject([{ state: "stopped" }]);
});

it("does not bring up by a call that was under way what is destroyed meanwhile", async () => {
  const made = await tenant("destroy-start");
  await made.instance.start(made.userId);
  await made.instance.stop(made.userId);
  const held = await made.hold({ method: "POST", path: "/start$", when: "before" });
  const started = made.instance.start(made.userId);
  await held.caught();
  const destroyed = made.instance.destroy(made.userId, { force: false });
  await held.release();
  expect(await destroyed).toEqual({ kind: "settled", status: "destroying" });
  await started;
  await expectNothingLeft(made);
});

it("joins the effort of an operation when the alarm rings meanwhile", async () => {
  const made = await tenant("alarm-joins");
  const held = await made.hold({ method: "POST", path: "^/machines$", when: "before" });
  const started = made.instance.start(made.userId);
  await held.caught();
  const rang = runDurableObjectAlarm(made.instance);
  await held.release();
  expect(await started).toEqual({ kind: "settled", status: "running" });
  expect(await rang).toBe(true);
  expect([await createsOf(made, "machines"), await createsOf(made, "volumes")]).toEqual([1, 1]);
});

it("takes a new wish while the alarm's own effort waits for Fly", async () => {
  const made = await tenant("alarm-overtaken", { intent: "running", status: "starting" });
  await made.instance.doubt();
  const held = await made.hold({ method: "GET", path: "^/machines/", when: "after" });
  const rang = runDurableObjectAlarm(made.instance);
  await held.caught();
  const stopped = made.instance.stop(made.userId);
  expect(await made.view()).toMatchObject({ status: "stopping" });
  await held.release();
  expect(await stopped).toEqual({ kind: "settled", status: "stopped" });
  await rang;
  expect(await made.machines()).toMatchObject([{ state: "stopped" }]);
});
