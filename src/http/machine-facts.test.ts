import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { insertInstance, insertUser, platform, platformGet } from "./testing/client.ts";

const instanceOf = (userId: string) => env.KILOCLAW_INSTANCE.getByName(userId);

async function told(path: string, userId: string) {
  const answer = await platformGet(`${path}?userId=${userId}`);
  return { status: answer.status, body: await answer.json<Record<string, unknown>>() };
}

/** A running instance that the registry knows, and whose object forgets everything. */
async function wiped(userId: string) {
  const { sandboxId } = await (await platform("provision", { userId })).json<{ sandboxId: string }>();
  await platform("start", { userId });
  await insertUser(userId);
  await insertInstance(userId, sandboxId);
  const before = {
    token: await told("gateway-token", userId),
    snapshots: await told("volume-snapshots", userId),
  };
  const instance = instanceOf(userId);
  await runInDurableObject(instance, (_object, { storage }) => storage.deleteAll());
  await runInDurableObject(instance, (_object, state) => state.abort("crashed by the test")).catch(
    () => null,
  );
  return before;
}

describe("what is told of an instance whose record was lost", () => {
  it("is no empty list of snapshots, and the right one when its volume was found again", async () => {
    const userId = "facts-snapshots";
    const { snapshots } = await wiped(userId);
    expect(snapshots.body["volumeId"]).toMatch(/^vol_/);
    expect(await told("volume-snapshots", userId)).toMatchObject({
      status: 503,
      body: { code: "unavailable", reason: "recovering" },
    });
    // Joins the effort of the alarm, which rings at once.
    await instanceOf(userId).doubt();
    expect(await told("volume-snapshots", userId)).toEqual(snapshots);
  });

  it("is the gateway's token, which depends on nothing that was lost", async () => {
    const userId = "facts-token";
    const { token } = await wiped(userId);
    expect(token.status).toBe(200);
    expect(await told("gateway-token", userId)).toEqual(token);
    await instanceOf(userId).doubt();
  });
});
