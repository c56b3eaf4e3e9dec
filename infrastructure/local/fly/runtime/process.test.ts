import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import { isRunning } from "../../../process/testing.ts";
import { machineIn, startedMachine, volumeIn, waitFor, withApp, type TestFly } from "../testing/fly.ts";
import { ask, linesOf, services, startProcessFly, untilSaid } from "../testing/process.ts";

const machines = "/apps/acme/machines";

it("gives a machine its own environment and nothing of the parent's but PATH, LANG and TZ", async () => {
  process.env["LEAKED_FROM_PARENT"] = "secret";
  const fly = await startProcessFly();
  await withApp(fly);
  await fly.call("POST", "/apps/acme/secrets", { values: { SECRET: "s", BOTH: "secret" } });
  const volume = await newVolume(fly);
  const machine = await startedMachine(fly, {
    config: {
      services,
      env: {
        FROM_CONFIG: "config",
        OVERRIDDEN: "config",
        BOTH: "config",
        FLY_REGION: "faked",
        HOME: "/faked",
      },
      guest: { cpu_kind: "shared", cpus: 2, memory_mb: 512 },
      mounts: [{ volume, path: "/root" }],
    },
  });
  const env = z.record(z.string(), z.string()).parse(await (await ask(fly, machine, "/env")).json());
  expect(env).toMatchObject({
    FROM_IMAGE: "image",
    FROM_CONFIG: "config",
    OVERRIDDEN: "config",
    SECRET: "s",
    BOTH: "secret",
    FLY_APP_NAME: "acme",
    FLY_MACHINE_ID: machine.id,
    FLY_MACHINE_VERSION: machine.instance_id,
    FLY_REGION: "ams",
    FLY_VM_MEMORY_MB: "512",
    PRIMARY_REGION: "ams",
    HOME: join(fly.dataDir, "volumes", volume),
    PATH: process.env["PATH"],
  });
  expect(env).not.toHaveProperty("LEAKED_FROM_PARENT");
  expect(env["TMPDIR"]).toContain(machine.id);
  delete process.env["LEAKED_FROM_PARENT"];
});

it("keeps volumes to their owner, and gives each machine ports of its own", async () => {
  const fly = await startProcessFly();
  await withApp(fly);
  const volume = await newVolume(fly);
  expect((await stat(join(fly.dataDir, "volumes", volume))).mode & 0o777).toBe(0o700);
  const [one, two] = await Promise.all([
    startedMachine(fly, { config: { services } }),
    startedMachine(fly, { config: { services } }),
  ]);
  const portOf = async (machine: { id: string }): Promise<unknown> => {
    const env = z.record(z.string(), z.string()).parse(await (await ask(fly, machine, "/env")).json());
    return Number(env["PORT"]);
  };
  const [first, second] = [Number(await portOf(one)), Number(await portOf(two))];
  expect(Math.abs(first - second)).toBeGreaterThan(1);
});

it("has the data of a volume in the machine that comes after, and the secrets of its time until an update", async () => {
  const fly = await startProcessFly();
  await withApp(fly);
  const volume = await newVolume(fly);
  const config = { services, mounts: [{ volume, path: "/root" }] };
  const first = await startedMachine(fly, { config });
  await ask(fly, first, "/diary", { method: "PUT", body: "remember" });
  await fly.call("POST", "/apps/acme/secrets", { values: { LATER: "1" } });
  await fly.call("POST", `${machines}/${first.id}/restart`);
  await waitFor(fly, first, "started");
  expect(await (await ask(fly, first, "/env")).json()).not.toHaveProperty("LATER");
  await fly.call("POST", `${machines}/${first.id}`, { config: { image: "i", ...config } });
  await waitFor(fly, first, "started");
  expect(await (await ask(fly, first, "/env")).json()).toHaveProperty("LATER");
  await fly.call("DELETE", `${machines}/${first.id}?force=true`);
  await waitFor(fly, first, "destroyed");
  const second = await startedMachine(fly, { config });
  expect(await (await ask(fly, second, "/diary")).text()).toBe("remember");
});

it("stops by the configured signal, and by force when that is not heeded in time", async () => {
  const fly = await startProcessFly();
  await withApp(fly);
  const stopConfig = { stop_config: { signal: "SIGTERM", timeout: "50ms" } };
  const gentle = await startedMachine(fly, { config: { ...stopConfig, env: {} } });
  await untilSaid(fly, gentle, "listening");
  await fly.call("POST", `${machines}/${gentle.id}/stop`, { timeout: "10s" });
  await waitFor(fly, gentle, "stopped");
  expect(linesOf(fly, gentle)).toContain("got SIGTERM");
  expect(await lastExit(fly, gentle)).toMatchObject({ requested_stop: true, exit_code: 0, signal: -1 });

  const stubborn = await startedMachine(fly, { config: { ...stopConfig, env: { STUBBORN: "1" } } });
  await untilSaid(fly, stubborn, "listening");
  await fly.call("POST", `${machines}/${stubborn.id}/stop`);
  await waitFor(fly, stubborn, "stopped");
  expect(linesOf(fly, stubborn)).toContain("got SIGTERM");
  expect(await lastExit(fly, stubborn)).toMatchObject({ requested_stop: true, exit_code: 137, signal: 9 });
});

it("leaves no process behind, not even one that went its own way", async () => {
  const fly = await startProcessFly();
  await withApp(fly);
  const machine = await startedMachine(fly, { config: { services } });
  const stray = Number(await (await ask(fly, machine, "/stray")).text());
  expect(isRunning(stray)).toBe(true);
  await fly.call("POST", `${machines}/${machine.id}/stop`);
  await waitFor(fly, machine, "stopped");
  expect(isRunning(stray)).toBe(false);
});

it("follows a program that ends by itself, and starts it again by policy", async () => {
  const fly = await startProcessFly({ timings: { restartBackoffMs: 1 } });
  await withApp(fly);
  const failing = await startedMachine(fly, {
    config: { services, restart: { policy: "on-failure", max_retries: 1 } },
  });
  const seen = (await fly.call("GET", `${machines}/${failing.id}`)).body;
  const from = machineIn({ status: 200, headers: new Headers(), body: seen }).events[0]?.id;
  const restarted = fly.call("GET", `${machines}/${failing.id}/wait?from_event_id=${from}&timeout=10`);
  await ask(fly, failing, "/exit?code=3");
  expect((await restarted).status).toBe(200);
  expect(await lastExit(fly, failing)).toMatchObject({
    requested_stop: false,
    restarting: true,
    exit_code: 3,
  });
  await ask(fly, failing, "/exit?code=0");
  await waitFor(fly, failing, "stopped");
  expect(await lastExit(fly, failing)).toMatchObject({ restarting: false, exit_code: 0 });
});

it("reports a program that cannot be run as failed", async () => {
  const fly = await startProcessFly({
    runtime: { kind: "process", image: { command: ["/no/such/program"], env: {} } },
  });
  await withApp(fly);
  const machine = machineIn(await fly.call("POST", machines, { config: { image: "i" } }));
  await waitFor(fly, machine, "failed");
  expect(fly.log).toContainEqual({ kind: "problem", message: expect.stringContaining("ENOENT") });
});

it("runs commands in the machine's environment and tells how they ended", async () => {
  const fly = await startProcessFly();
  await withApp(fly);
  const volume = await newVolume(fly);
  const machine = await startedMachine(fly, {
    config: { env: { NAME: "claw" }, mounts: [{ volume, path: "/root" }] },
  });
  const exec = async (body: object): Promise<unknown> => {
    const { status, body: answer } = await fly.call("POST", `${machines}/${machine.id}/exec`, body);
    return { status, ...z.looseObject({}).parse(answer) };
  };
  expect(await exec({ command: ["sh", "-c", "echo $NAME; pwd; echo err >&2; exit 3"] })).toEqual({
    status: 200,
    exit_code: 3,
    exit_signal: 0,
    stdout: `claw\n${join(fly.dataDir, "volumes", volume)}\n`,
    stderr: "err\n",
  });
  expect(await exec({ cmd: "cat", timeout: 5 })).toMatchObject({ status: 200, exit_code: 0, stdout: "" });
  expect(await exec({ command: ["sh", "-c", "kill -TERM $$"] })).toMatchObject({ exit_signal: 15 });
  expect(await exec({ command: ["/no/such/program"] })).toMatchObject({ status: 412 });
  expect(await exec({ command: ["sleep", "60"], timeout: 1 })).toMatchObject({
    status: 408,
    error: expect.stringMatching(/^deadline_exceeded: Post "http:\/\/unix\/v1\/exec"/),
  });
  expect(await exec({ command: ["head", "-c", "11000000", "/dev/zero"] })).toEqual({
    status: 500,
    error: "exec output exceeds the maximum allowed response size after JSON encoding (10485760 byte limit)",
  });
});

it("suspends a program and resumes it where it was", async () => {
  const fly = await startProcessFly();
  await withApp(fly);
  const machine = await startedMachine(fly, { config: { services } });
  await untilSaid(fly, machine, "listening");
  await fly.call("POST", `${machines}/${machine.id}/suspend`);
  await waitFor(fly, machine, "suspended");
  expect((await ask(fly, machine, "/echo")).status).toBe(503);
  await fly.call("POST", `${machines}/${machine.id}/start`);
  await waitFor(fly, machine, "started");
  expect((await ask(fly, machine, "/echo")).status).toBe(200);
  expect(linesOf(fly, machine).filter((line) => line === "listening")).toHaveLength(1);
  await fly.call("POST", `${machines}/${machine.id}/suspend`);
  await waitFor(fly, machine, "suspended");
  await fly.call("POST", `${machines}/${machine.id}/stop`);
  await waitFor(fly, machine, "stopped");
});

it("forks a volume with its data", async () => {
  const fly = await startProcessFly();
  await withApp(fly);
  const source = await newVolume(fly);
  const writer = await startedMachine(fly, {
    config: { services, mounts: [{ volume: source, path: "/root" }] },
  });
  await ask(fly, writer, "/diary", { method: "PUT", body: "precious" });
  const fork = volumeIn(
    await fly.call("POST", "/apps/acme/volumes", { name: "data", region: "fra", source_volume_id: source }),
  );
  expect(fork.state).toBe("hydrating");
  const reader = await startedMachine(fly, {
    region: "fra",
    config: { services, mounts: [{ volume: fork.id, path: "/root" }] },
  });
  expect(await (await ask(fly, reader, "/diary")).text()).toBe("precious");
  expect(volumeIn(await fly.call("GET", `/apps/acme/volumes/${fork.id}`)).state).toBe("created");
});

async function newVolume(fly: TestFly): Promise<string> {
  return volumeIn(await fly.call("POST", "/apps/acme/volumes", { name: "data" })).id;
}

async function lastExit(fly: TestFly, machine: { id: string }): Promise<unknown> {
  const { events } = machineIn(await fly.call("GET", `${machines}/${machine.id}`));
  const exit = events.find(({ type }) => type === "exit");
  return z.object({ request: z.object({ exit_event: z.looseObject({}) }) }).parse(exit).request.exit_event;
}
