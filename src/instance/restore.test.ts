import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import postgres from "postgres";
import { afterAll, expect, inject, it } from "vitest";
import { MINUTE_MS } from "./testing/records.ts";
import { fly } from "./testing/tenant.ts";

const APP = env.FLY_APP_NAME ?? "";
const registry = postgres(inject("adminDatabaseUrl"), { max: 1 });
afterAll(() => registry.end());

const instanceOf = (userId: string) => env.KILOCLAW_INSTANCE.getByName(userId);

async function viewOf(userId: string) {
  const result = await instanceOf(userId).status();
  return result.kind === "status" ? result.view : null;
}

async function atFly(userId: string) {
  const found = await fly.findMachines(APP, "kiloclaw_user_id", userId);
  return found.ok ? found.value.filter(({ state }) => state !== "destroyed") : [];
}

/** An instance that runs, as the registry has it, and whose object forgets everything. */
async function wiped(userId: string, row: { destroyedAt: Date | null } | null = { destroyedAt: null }) {
  const provisioned = await instanceOf(userId).provision({ userId, envVars: { GREETING: "hello" } });
  await instanceOf(userId).start(userId);
  const before = await viewOf(userId);
  if (row !== null) {
    await registry`insert into kilocode_users (id, api_token_pepper) values (${userId}, null)`;
    await registry`insert into kiloclaw_instances ${registry({
      user_id: userId,
      sandbox_id: provisioned.kind === "provisioned" ? provisioned.sandboxId : "",
      created_at: new Date(Date.now() - 10 * MINUTE_MS),
      destroyed_at: row.destroyedAt,
    })}`;
  }
  await runInDurableObject(instanceOf(userId), (_object, { storage }) => storage.deleteAll());
  await crash(userId);
  expect(await viewOf(userId)).toMatchObject({ userId: null, status: null });
  return before;
}

async function crash(userId: string): Promise<void> {
  await runInDurableObject(instanceOf(userId), (_object, state) => state.abort("crashed by the test")).catch(
    () => undefined,
  );
}

const destroy = async (userId: string) => instanceOf(userId).destroy(userId, { force: false });

it("finds machine, volume, size, settings and intent again when a request of the user's comes", async () => {
  const userId = "restore-route";
  const before = await wiped(userId);
  expect(await instanceOf(userId).resolveRoute(userId)).toMatchObject({ kind: "not_running" });
  // Joins the effort of the alarm, which rings at once.
  await instanceOf(userId).doubt();
  const after = await viewOf(userId);
  const { flyMachineId, flyVolumeId, flyRegion, sandboxId } = before ?? {};
  expect(after).toMatchObject({ status: "running", flyMachineId, flyVolumeId, flyRegion, sandboxId });
  expect(await instanceOf(userId).resolveRoute(userId)).toMatchObject({
    kind: "route",
    machineId: flyMachineId,
  });
  expect(await instanceOf(userId).config()).toMatchObject({ view: { envVarNames: ["GREETING"] } });
  const alarmAt = await runInDurableObject(instanceOf(userId), (_object, { storage }) => storage.getAlarm());
  expect(alarmAt).toBeGreaterThan(Date.now() + MINUTE_MS);
});

it("stops the machine that it has forgotten, and no machine is brought up", async () => {
  const userId = "restore-stop";
  const before = await wiped(userId);
  expect(await instanceOf(userId).stop(userId)).toEqual({ kind: "settled", status: "stopped" });
  expect(await atFly(userId)).toMatchObject([{ id: before?.flyMachineId, state: "stopped" }]);
});

it("starts again on the machine that it has forgotten, and makes no other", async () => {
  const userId = "restore-start";
  const before = await wiped(userId);
  expect(await instanceOf(userId).start(userId)).toEqual({ kind: "settled", status: "running" });
  expect((await atFly(userId)).map(({ id }) => id)).toEqual([before?.flyMachineId]);
});

it("takes changed settings for a machine that it has forgotten, and keeps those that were not changed", async () => {
  const userId = "restore-provision";
  const before = await wiped(userId);
  await instanceOf(userId).provision({ userId, kilocodeDefaultModel: "some/model" });
  expect(await viewOf(userId)).toMatchObject({ flyMachineId: before?.flyMachineId, status: "running" });
  expect(await atFly(userId)).toMatchObject([
    { config: { env: { KILOCODE_DEFAULT_MODEL: "some/model", GREETING: "hello" } } },
  ]);
});

it("takes away what was emptied for a machine that it has forgotten", async () => {
  const userId = "restore-emptied";
  await wiped(userId);
  await instanceOf(userId).provision({ userId, envVars: {} });
  expect(await instanceOf(userId).config()).toMatchObject({ view: { envVarNames: [] } });
  const [machine] = await atFly(userId);
  expect(machine?.config?.env).not.toHaveProperty("GREETING");
});

it("destroys everything of an instance that it has forgotten", async () => {
  const userId = "restore-destroy";
  const before = await wiped(userId);
  const destroying = destroy(userId).then(
    () => undefined,
    () => undefined,
  );
  const volumeState = async () => {
    const volume = await fly.getVolume(APP, before?.flyVolumeId ?? "");
    return volume.ok ? volume.value.state : volume.error.kind;
  };
  await expect.poll(volumeState, { timeout: 10_000 }).toBe("pending_destroy");
  expect(await atFly(userId)).toEqual([]);
  // The record stays until lists were looked at often enough to be believed, which nobody waits for here.
  expect(await viewOf(userId)).toMatchObject({ status: "destroying" });
  await crash(userId);
  await destroying;
});

it.each([
  ["never was", null],
  ["was destroyed", { destroyedAt: new Date() }],
] as const)("does not bring back what by the registry %s", async (what, row) => {
  const userId = `restore-${what.replace(" ", "-")}`;
  await wiped(userId, row);
  const instance = instanceOf(userId);
  expect(await instance.resolveRoute(userId)).toEqual({ kind: "not_provisioned" });
  expect(await instance.start(userId)).toEqual({ kind: "not_provisioned" });
  expect(await instance.stop(userId)).toEqual({ kind: "not_provisioned" });
  expect(await destroy(userId)).toEqual({ kind: "not_provisioned" });
  expect(await viewOf(userId)).toMatchObject({ status: null });
});
