import { expect, it } from "vitest";
import { image, machineIn, startedMachine, startFly, stateOf, waitFor, withApp } from "../testing/fly.ts";
import { ManualClock } from "../testing/manual-clock.ts";

const machines = "/apps/acme/machines";

it("stops a machine and starts it again, in the same version", async () => {
  const fly = await startFly();
  await withApp(fly);
  const machine = await startedMachine(fly);
  const path = `${machines}/${machine.id}`;
  expect((await fly.call("POST", `${path}/stop`)).body).toEqual({ ok: true });
  await waitFor(fly, machine, "stopped");
  expect((await fly.call("POST", `${path}/stop`)).body).toEqual({ ok: true });
  const start = await fly.call("POST", `${path}/start`);
  expect(start.body).toEqual({ previous_state: "stopped", migrated: false, new_host: "" });
  await waitFor(fly, machine, "started");
  const again = await fly.call("POST", `${path}/start`);
  expect([again.status, again.body]).toEqual([
    200,
    { previous_state: "started", migrated: false, new_host: "" },
  ]);
  const after = machineIn(await fly.call("GET", path));
  expect(after.instance_id).toBe(machine.instance_id);
  expect(after.events.slice(0, 4).map(({ type, status }) => `${type}/${status}`)).toEqual([
    "start/started",
    "start/starting",
    "exit/stopped",
    "stop/stopping",
  ]);
  expect(after.events[2]).toMatchObject({
    request: { exit_event: { requested_stop: true, restarting: false }, restart_count: 0 },
  });
});

it("refuses by state while a machine is on its way", async () => {
  const fly = await startFly({ timings: { startMs: 200, stopMs: 200 } });
  await withApp(fly);
  const machine = await startedMachine(fly);
  const path = `${machines}/${machine.id}`;
  await fly.call("POST", `${path}/stop`);
  const whileStopping = await fly.call("POST", `${path}/start`);
  expect([whileStopping.status, whileStopping.body]).toEqual([
    412,
    { error: "failed_precondition: unable to start machine from current state: 'stopping'" },
  ]);
  await waitFor(fly, machine, "stopped");
  await fly.call("POST", `${path}/start`);
  const whileStarting = await fly.call("POST", `${path}/start`);
  expect([whileStarting.status, whileStarting.body]).toEqual([
    409,
    { error: "aborted: machine still attempting to start" },
  ]);
});

it("stops a machine that is still starting", async () => {
  const fly = await startFly({ timings: { startMs: 5000 } });
  await withApp(fly);
  const machine = machineIn(await fly.call("POST", machines, { config: { image } }));
  await expect
    .poll(async () => machineIn(await fly.call("GET", `${machines}/${machine.id}`)).state)
    .toBe("starting");
  await fly.call("POST", `${machines}/${machine.id}/stop`);
  await waitFor(fly, machine, "stopped");
});

it.each([
  [{ signal: "SIGWINCH" }, /signal/],
  [{ timeout: "soon" }, /time: invalid duration "soon"/],
  ["[]", /json: cannot unmarshal array/],
])("refuses to stop with %j", async (body, error) => {
  const fly = await startFly();
  await withApp(fly);
  const { id } = await startedMachine(fly);
  const answer = await fly.call("POST", `${machines}/${id}/stop`, body);
  expect([answer.status, answer.body]).toEqual([400, { error: expect.stringMatching(error) }]);
});

it("restarts in the same version and refuses a bad signal", async () => {
  const fly = await startFly();
  await withApp(fly);
  const machine = await startedMachine(fly);
  const path = `${machines}/${machine.id}`;
  expect((await fly.call("POST", `${path}/restart?signal=SIGNOPE`)).status).toBe(400);
  expect((await fly.call("POST", `${path}/restart?timeout=5&signal=SIGTERM`)).body).toEqual({ ok: true });
  await waitFor(fly, machine, "started");
  const after = machineIn(await fly.call("GET", path));
  expect(after.instance_id).toBe(machine.instance_id);
  expect(after.events.map(({ type }) => type)).toContain("restart");
});

it("suspends and resumes, and stops what is too large to suspend", async () => {
  const fly = await startFly();
  await withApp(fly);
  const small = await startedMachine(fly);
  await fly.call("POST", `${machines}/${small.id}/suspend`);
  await waitFor(fly, small, "suspended");
  await fly.call("POST", `${machines}/${small.id}/start`);
  await waitFor(fly, small, "started");
  const large = await startedMachine(fly, {
    config: { guest: { cpu_kind: "shared", cpus: 2, memory_mb: 4096 } },
  });
  await fly.call("POST", `${machines}/${large.id}/suspend`);
  await waitFor(fly, large, "settled");
  expect(await stateOf(fly, large)).toBe("stopped");
});

it("starts a machine again by its restart policy, and gives up after its retries", async () => {
  const fly = await startFly({ timings: { restartBackoffMs: 1 } });
  await withApp(fly);
  const machine = await startedMachine(fly, {
    config: { restart: { policy: "on-failure", max_retries: 2 } },
  });
  const path = `${machines}/${machine.id}`;
  for (const _crash of [1, 2]) {
    await fly.call("POST", `${path}/signal`, { signal: "SIGKILL" });
    await waitFor(fly, machine, "started");
  }
  await fly.call("POST", `${path}/signal`, { signal: 9 });
  await waitFor(fly, machine, "stopped");
  const exits = machineIn(await fly.call("GET", path)).events.filter(({ type }) => type === "exit");
  expect(exits).toMatchObject([
    { request: { exit_event: { requested_stop: false, restarting: false, signal: 9 } } },
    { request: { exit_event: { requested_stop: false, restarting: true }, restart_count: 2 } },
    { request: { exit_event: { requested_stop: false, restarting: true }, restart_count: 1 } },
  ]);
});

it("destroys a machine with auto_destroy when it ends", async () => {
  const fly = await startFly();
  await withApp(fly);
  const machine = await startedMachine(fly, { config: { auto_destroy: true, restart: { policy: "no" } } });
  await fly.call("POST", `${machines}/${machine.id}/signal`, { signal: "SIGKILL" });
  await waitFor(fly, machine, "destroyed");
  expect((await fly.call("POST", machines, { name: machine.name, config: { image } })).status).toBe(200);
});

it("refuses to destroy a running machine without force, and repeats a destroy without complaint", async () => {
  const fly = await startFly();
  await withApp(fly);
  const machine = await startedMachine(fly);
  const path = `${machines}/${machine.id}`;
  const refused = await fly.call("DELETE", path);
  expect([refused.status, refused.body]).toEqual([
    412,
    {
      error:
        "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created",
    },
  ]);
  expect((await fly.call("DELETE", `${path}?force=true`)).body).toEqual({ ok: true });
  expect((await fly.call("DELETE", path)).body).toEqual({ ok: true });
  await waitFor(fly, machine, "destroyed");
  const start = await fly.call("POST", `${path}/start`);
  expect([start.status, start.body]).toEqual([
    412,
    { error: "failed_precondition: unable to start machine from current state: 'destroyed'" },
  ]);
  expect((await fly.call("POST", path, { config: { image } })).status).toBe(404);
});

it("answers a destroyed machine for a minute, then knows it no longer", async () => {
  const clock = new ManualClock();
  const fly = await startFly({ clock });
  await withApp(fly);
  const { id } = machineIn(await fly.call("POST", machines, { config: { image } }));
  await clock.advance(1000);
  await fly.call("DELETE", `${machines}/${id}?force=true`);
  await clock.advance(1000);
  expect(machineIn(await fly.call("GET", `${machines}/${id}`)).state).toBe("destroyed");
  await clock.advance(60_000);
  const gone = await fly.call("GET", `${machines}/${id}`);
  expect([gone.status, gone.body]).toEqual([404, { error: "machine not found" }]);
});

it("refuses exec on a machine that is not started or has no process", async () => {
  const fly = await startFly();
  await withApp(fly);
  const machine = await startedMachine(fly);
  const exec = `${machines}/${machine.id}/exec`;
  expect((await fly.call("POST", exec, { command: ["true"] })).status).toBe(412);
  expect((await fly.call("POST", exec, {})).status).toBe(400);
  await fly.call("POST", `${machines}/${machine.id}/stop`);
  await waitFor(fly, machine, "stopped");
  const stopped = await fly.call("POST", exec, { command: ["true"] });
  expect([stopped.status, stopped.body]).toEqual([
    412,
    { error: "failed_precondition: unable to exec machine from current state: 'stopped'" },
  ]);
});
