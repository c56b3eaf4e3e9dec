import { expect, it } from "vitest";
import { faultIn } from "./testing/app-at-fly.ts";
import { tenant } from "./testing/tenant.ts";

const CHANGES = [
  "volume_create",
  "machine_create",
  "machine_update",
  "machine_stop",
  "machine_start",
  "machine_delete",
  "volume_delete",
];

it("lives a whole life in which the first answer to each change is lost, and each change is made once", async () => {
  const made = await tenant("lost-answers");
  const { app, userId } = made;
  await faultIn(
    app,
    ...CHANGES.map((action) => ({ action, phase: "after", effect: { kind: "lost" } }) as const),
  );
  expect(await made.instance.start(userId)).toEqual({ kind: "settled", status: "running" });
  const { flyMachineId } = (await made.view()) ?? {};
  expect(await made.instance.restart(userId)).toEqual({ kind: "settled", status: "running" });
  expect(await made.instance.stop(userId)).toEqual({ kind: "settled", status: "stopped" });
  expect(await made.instance.start(userId)).toEqual({ kind: "settled", status: "running" });
  expect((await made.machines()).map(({ id }) => id)).toEqual([flyMachineId]);
  expect(await made.volumes()).toHaveLength(1);
  expect(await made.instance.destroy(userId, { force: false })).toEqual({
    kind: "settled",
    status: "destroying",
  });
  expect([await made.stored(), await made.machines(), await made.volumes()]).toEqual([null, [], []]);
  const sent = (await made.calls()).filter(({ method }) => method !== "GET");
  const counted = CHANGES_SENT.map(
    (pattern) => sent.filter(({ method, path }) => pattern.test(`${method} ${path}`)).length,
  );
  // What was done is seen, and not asked for again.
  expect(counted).toEqual([1, 1, 1, 1, 1, 1, 1]);
});

const CHANGES_SENT = [
  /^POST \/volumes$/,
  /^POST \/machines$/,
  /^POST \/machines\/[0-9a-f]+$/,
  /\/stop$/,
  /\/start$/,
  /^DELETE \/machines/,
  /^DELETE \/volumes/,
];
