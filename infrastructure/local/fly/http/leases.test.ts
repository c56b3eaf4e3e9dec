import { expect, it } from "vitest";
import { z } from "zod";
import { image, machineIn, startedMachine, startFly, waitFor, withApp, type Answer } from "../testing/fly.ts";

const machines = "/apps/acme/machines";

it("gives a lease in Fly's envelope, shows it, makes it last longer, and takes it back", async () => {
  const fly = await startFly();
  await withApp(fly);
  const machine = await startedMachine(fly);
  const path = `${machines}/${machine.id}/lease`;
  expect((await fly.call("GET", path)).body).toEqual({ error: " lease not found" });
  const taken = await fly.call("POST", path, { ttl: 60, description: "deploy" });
  expect(taken.status).toBe(201);
  expect(taken.body).toMatchObject({
    status: "success",
    data: { description: "deploy", version: machine.instance_id, expires_at: expect.any(Number) },
  });
  const nonce = nonceIn(taken);
  expect(nonceIn(await fly.call("GET", path))).toBe(nonce);
  const refreshed = await fly.call("POST", `${path}?ttl=3600`, undefined, withNonce(nonce));
  expect(nonceIn(refreshed)).toBe(nonce);
  expect((await fly.call("DELETE", path)).status).toBe(400);
  expect((await fly.call("DELETE", path, undefined, withNonce("wrong"))).status).toBe(409);
  expect((await fly.call("DELETE", path, undefined, withNonce(nonce))).body).toEqual({
    status: "success",
    data: { ok: true },
  });
  expect((await fly.call("GET", path)).status).toBe(404);
});

it("keeps others from a leased machine, but not the holder", async () => {
  const fly = await startFly();
  await withApp(fly);
  const { id } = await startedMachine(fly);
  const path = `${machines}/${id}`;
  const nonce = nonceIn(await fly.call("POST", `${path}/lease`, { ttl: 60 }));
  const attempts: [string, unknown][] = [
    [path, { config: { image } }],
    [`${path}/start`, undefined],
    [`${path}/exec`, { command: ["true"] }],
    [`${path}/suspend`, undefined],
    [`${path}/cordon`, undefined],
    [`${path}/lease`, { ttl: 60 }],
  ];
  for (const [target, body] of attempts) {
    const answer = await fly.call("POST", target, body);
    expect(answer.status).toBe(409);
    expect(answer.body).toEqual({
      error: expect.stringMatching(
        new RegExp(
          `^machine ID ${id} lease currently held by \\S+, expires at \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$`,
        ),
      ),
    });
  }
  const update = await fly.call("POST", path, { config: { image } }, withNonce(nonce));
  expect(update.status).toBe(200);
  await waitFor(fly, { id }, "started");
  expect(nonceIn(await fly.call("GET", `${path}/lease`))).toBe(nonce);
});

it("holds a stop back until the lease is released", async () => {
  const fly = await startFly();
  await withApp(fly);
  const machine = await startedMachine(fly);
  const path = `${machines}/${machine.id}`;
  const nonce = nonceIn(await fly.call("POST", `${path}/lease`, { ttl: 60 }));
  let isStopped = false;
  const stopping = fly.call("POST", `${path}/stop`).then((answer) => {
    isStopped = true;
    return answer;
  });
  expect(machineIn(await fly.call("GET", path)).state).toBe("started");
  expect(isStopped).toBe(false);
  await fly.call("DELETE", `${path}/lease`, undefined, withNonce(nonce));
  expect((await stopping).body).toEqual({ ok: true });
  await waitFor(fly, machine, "stopped");
});

it("gives up holding back after a bounded time", async () => {
  const fly = await startFly({ timings: { leaseWaitMsMax: 20 } });
  await withApp(fly);
  const machine = await startedMachine(fly);
  await fly.call("POST", `${machines}/${machine.id}/lease`, { ttl: 60 });
  expect((await fly.call("DELETE", `${machines}/${machine.id}?force=true`)).status).toBe(408);
});

it("creates a machine with a lease, whose nonce only its maker gets to see", async () => {
  const fly = await startFly();
  await withApp(fly);
  const created = await fly.call("POST", machines, { config: { image }, lease_ttl: 60 });
  const { id } = machineIn(created);
  expect(created.body).toHaveProperty("nonce");
  expect((await fly.call("GET", `${machines}/${id}`)).body).not.toHaveProperty("nonce");
  expect((await fly.call("POST", `${machines}/${id}/start`)).status).toBe(409);
});

function withNonce(nonce: string): Record<string, string> {
  return { "fly-machine-lease-nonce": nonce };
}

function nonceIn(answer: Answer): string {
  return z.object({ data: z.object({ nonce: z.string() }) }).parse(answer.body).data.nonce;
}
