import { expect, it } from "vitest";
import { image, machineIn, startedMachine, startFly, waitFor, withApp } from "../testing/fly.ts";
import { ManualClock } from "../testing/manual-clock.ts";

const machines = "/apps/acme/machines";

it("answers with state, event and version as soon as the state is reached", async () => {
  const fly = await startFly();
  await withApp(fly);
  const created = machineIn(await fly.call("POST", machines, { config: { image } }));
  const waited = await fly.call("GET", `${machines}/${created.id}/wait`);
  const machine = machineIn(await fly.call("GET", `${machines}/${created.id}`));
  expect(waited.body).toEqual({
    ok: true,
    state: "started",
    event_id: machine.events[0]?.id,
    version: machine.instance_id,
  });
});

it("notices a state that lasts for a moment only", async () => {
  const fly = await startFly({ timings: { restartBackoffMs: 0, startMs: 0 } });
  await withApp(fly);
  const machine = await startedMachine(fly);
  const path = `${machines}/${machine.id}`;
  await fly.call("POST", `${path}/stop`);
  await waitFor(fly, machine, "stopped");
  const waiting = fly.call("GET", `${path}/wait?state=started&timeout=10`);
  await fly.call("POST", `${path}/start`);
  await waiting;
  const later = fly.call("GET", `${path}/wait?state=stopped,suspended&timeout=10`);
  await fly.call("POST", `${path}/stop`);
  await later;
  expect((await later).body).toMatchObject({ state: "stopped" });
});

it("tells after the timeout what it waited for and what the machine is instead", async () => {
  const clock = new ManualClock();
  const fly = await startFly({ clock });
  await withApp(fly);
  const { id, instance_id: version } = machineIn(
    await fly.call("POST", machines, { config: { image }, skip_launch: true }),
  );
  await clock.advance(1000);
  const idle = clock.pending;
  const late = fly.call("GET", `${machines}/${id}/wait?timeout=60`);
  await expect.poll(() => clock.pending).toBe(idle + 1);
  await clock.advance(60_000);
  expect(await late).toMatchObject({
    status: 408,
    body: {
      error: "deadline_exceeded: machine failed to reach desired state, started, currently created",
    },
  });
  await fly.call("POST", `${machines}/${id}`, { config: { image } });
  await clock.advance(1000);
  const old = fly.call("GET", `${machines}/${id}/wait?state=stopped&instance_id=${version}&timeout=1`);
  await expect.poll(() => clock.pending).toBe(idle + 1);
  await clock.advance(1000);
  expect(await old).toMatchObject({
    status: 408,
    body: {
      error: "deadline_exceeded: machine failed to reach desired state, stopped, currently replaced",
    },
  });
});

it.each(["0", "61", "-1", "2.5", "soon"])("refuses the timeout %s", async (timeout) => {
  const fly = await startFly();
  await withApp(fly);
  const { id } = await startedMachine(fly);
  const answer = await fly.call("GET", `${machines}/${id}/wait?timeout=${timeout}`);
  expect([answer.status, answer.body]).toEqual([
    400,
    {
      error: "invalid_argument: invalid WaitMachineRequest.Timeout: value must be inside range [1s, 1m0s]",
    },
  ]);
});

it("refuses an unknown state, an unknown machine and an unknown event", async () => {
  const fly = await startFly();
  await withApp(fly);
  const { id } = await startedMachine(fly);
  expect((await fly.call("GET", `${machines}/${id}/wait?state=happy`)).status).toBe(400);
  expect((await fly.call("GET", `${machines}/${id}/wait?from_event_id=01NONE`)).status).toBe(404);
  const unknown = await fly.call("GET", `${machines}/0123456789abcd/wait`);
  expect([unknown.status, unknown.body]).toEqual([404, { error: "machine not found" }]);
});

it("says at once that a machine is gone which will never reach the state", async () => {
  const fly = await startFly({ timings: { destroyMs: 100 } });
  await withApp(fly);
  const machine = await startedMachine(fly);
  const path = `${machines}/${machine.id}`;
  const waiting = fly.call("GET", `${path}/wait?state=suspended&timeout=60`);
  await fly.call("DELETE", `${path}?force=true`);
  expect((await waiting).status).toBe(404);
  expect((await fly.call("GET", `${path}/wait?state=destroyed`)).status).toBe(200);
});

it("counts only what happened after from_event_id", async () => {
  const fly = await startFly();
  await withApp(fly);
  const machine = await startedMachine(fly);
  const path = `${machines}/${machine.id}`;
  const waiting = fly.call("GET", `${path}/wait?from_event_id=${machine.events[0]?.id}&timeout=10`);
  await fly.call("POST", `${path}/restart`);
  const { body } = await waiting;
  expect(body).toMatchObject({ state: "started" });
  expect(body).not.toMatchObject({ event_id: machine.events[0]?.id });
});

it("wants a version for stopped, when it is strict", async () => {
  const fly = await startFly({ strictWait: true });
  await withApp(fly);
  const machine = await startedMachine(fly);
  const path = `${machines}/${machine.id}`;
  await fly.call("POST", `${path}/stop`);
  const refused = await fly.call("GET", `${path}/wait?state=stopped`);
  expect([refused.status, refused.body]).toEqual([
    400,
    { error: "instance_id required when waiting for stopped machine" },
  ]);
  const versioned = await fly.call("GET", `${path}/wait?state=stopped&version=${machine.instance_id}`);
  expect(versioned.status).toBe(200);
});

it("forgets a client that went away", async () => {
  const clock = new ManualClock();
  const fly = await startFly({ clock });
  await withApp(fly);
  const { id } = machineIn(await fly.call("POST", machines, { config: { image }, skip_launch: true }));
  await clock.advance(1000);
  const idle = clock.pending;
  const client = new AbortController();
  const waiting = fetch(`${fly.apiUrl}/v1${machines}/${id}/wait`, {
    headers: { authorization: "Bearer test" },
    signal: client.signal,
  });
  await expect.poll(() => clock.pending).toBe(idle + 1);
  client.abort();
  await expect(waiting).rejects.toThrow(/aborted/);
  await expect.poll(() => clock.pending).toBe(idle);
});
