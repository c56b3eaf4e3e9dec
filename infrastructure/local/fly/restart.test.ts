import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { isRunning, listProcesses } from "../../process/testing.ts";
import {
  freshDirectory,
  machineIn,
  startedMachine,
  startFly,
  stateOf,
  volumeIn,
  waitFor,
  withApp,
} from "./testing/fly.ts";
import { ask, imageCommand, services, startProcessFly } from "./testing/process.ts";

const machines = "/apps/acme/machines";

it("finds everything again and starts the machines that were started", async () => {
  const dataDir = await freshDirectory();
  const before = await startProcessFly({ dataDir });
  await withApp(before);
  await before.call("POST", "/apps/acme/secrets", { values: { KEY: "v" } });
  const { id: volume } = volumeIn(await before.call("POST", "/apps/acme/volumes", { name: "data" }));
  const running = await startedMachine(before, {
    name: "running",
    config: { services, metadata: { user: "u1" }, mounts: [{ volume, path: "/root" }] },
  });
  const resting = await startedMachine(before, { name: "resting" });
  await before.call("POST", `${machines}/${resting.id}/stop`);
  await waitFor(before, resting, "stopped");
  await ask(before, running, "/diary", { method: "PUT", body: "kept" });
  await before.close();
  await expect(before.call("GET", machines)).rejects.toThrow(/fetch failed/);

  const after = await startProcessFly({ dataDir });
  await waitFor(after, running, "started");
  expect(await (await ask(after, running, "/diary")).text()).toBe("kept");
  expect(await (await ask(after, running, "/env")).json()).toMatchObject({ KEY: "v" });
  const found = machineIn(await after.call("GET", `${machines}/${running.id}`));
  expect([found.name, found.instance_id, found.config]).toEqual([
    "running",
    running.instance_id,
    running.config,
  ]);
  expect(machineIn(await after.call("GET", `${machines}/${resting.id}`)).state).toBe("stopped");
  expect((await after.call("POST", machines, { name: "running", config: { image: "i" } })).status).toBe(409);
});

it("goes on with what was under way", async () => {
  const dataDir = await freshDirectory();
  const slow = { imagePullMs: 10_000, destroyMs: 10_000, stopMs: 10_000, replaceMs: 10_000 };
  const before = await startFly({ dataDir, timings: { imagePullMs: 0 } });
  await withApp(before);
  const ending = await startedMachine(before, { name: "ending" });
  const stopping = await startedMachine(before, { name: "stopping" });
  const replacing = await startedMachine(before, { name: "replacing" });
  await before.close();

  const between = await startFly({ dataDir, timings: slow });
  const launching = machineIn(await between.call("POST", machines, { name: "new", config: { image: "i" } }));
  await between.call("DELETE", `${machines}/${ending.id}?force=true`);
  await between.call("POST", `${machines}/${stopping.id}/stop`);
  await between.call("POST", `${machines}/${replacing.id}`, { config: { image: "i", env: { NEW: "1" } } });
  await between.close();

  const after = await startFly({ dataDir });
  await waitFor(after, launching, "started");
  await waitFor(after, ending, "destroyed");
  await waitFor(after, stopping, "stopped");
  await waitFor(after, replacing, "started");
  const all = [launching, ending, stopping, replacing];
  const states = await Promise.all(all.map((machine) => stateOf(after, machine)));
  expect(states).toEqual(["started", "destroyed", "stopped", "started"]);
});

it("refuses a data directory that is in use, and one that cannot be read, which it leaves as it is", async () => {
  const dataDir = await freshDirectory();
  const first = await startFly({ dataDir });
  await expect(startFly({ dataDir })).rejects.toThrow(/in use by another/);
  await first.close();
  const path = join(dataDir, "state.json");
  await writeFile(path, "{ half");
  await expect(startFly({ dataDir })).rejects.toThrow(/not JSON .*left as it is/);
  expect(await readFile(path, "utf8")).toBe("{ half");
  // It has let go of the directory, so that one who repairs it can start.
  await rm(path);
  await expect(startFly({ dataDir })).resolves.toBeDefined();
});

it("says plainly that a port is taken, and lets go of the data directory", async () => {
  const first = await startFly();
  const dataDir = await freshDirectory();
  const apiPort = Number(new URL(first.apiUrl).port);
  await expect(startFly({ dataDir, apiPort })).rejects.toThrow(/EADDRINUSE/);
  await expect(startFly({ dataDir })).resolves.toBeDefined();
});

it.each([
  { what: "with its data kept", isDeleted: false, found: { state: "started" } },
  { what: "with its data deleted since", isDeleted: true, found: { error: expect.any(String) } },
])("ends what a killed life of its own left running, $what", async ({ isDeleted, found }) => {
  const dataDir = await freshDirectory();
  const killed = await startCli(dataDir);
  await killed.call("POST", "/apps", { app_name: "acme", org_slug: "kilo" });
  const machine = machineIn(await killed.call("POST", machines, { config: { image: "i", services } }));
  await killed.call("GET", `${machines}/${machine.id}/wait`);
  const exec = await killed.call("POST", `${machines}/${machine.id}/exec`, {
    command: ["sh", "-c", "sleep 300 >/dev/null & echo $!"],
  });
  const pid = Number(z.looseObject({ stdout: z.string() }).parse(exec.body).stdout);
  expect(isRunning(pid)).toBe(true);
  killed.child.kill("SIGKILL");
  await once(killed.child, "exit");
  expect(isRunning(pid)).toBe(true);
  if (isDeleted) await rm(dataDir, { recursive: true, maxRetries: 3 });

  const after = await startProcessFly({ dataDir });
  await expect.poll(() => isRunning(pid)).toBe(false);
  await expect
    .poll(async () => (await after.call("GET", `${machines}/${machine.id}`)).body)
    .toMatchObject(found);
});

it("ends on SIGTERM with all its machines, also one that heeds no signal", async () => {
  const dataDir = await freshDirectory();
  const cli = await startCli(dataDir);
  await cli.call("POST", "/apps", { app_name: "acme", org_slug: "kilo" });
  const machine = machineIn(
    await cli.call("POST", machines, { config: { image: "i", env: { STUBBORN: "1" } } }),
  );
  await cli.call("GET", `${machines}/${machine.id}/wait`);
  // Their HOME is in the data directory.
  const running = (): number => listProcesses().filter(({ text }) => text.includes(`HOME=${dataDir}`)).length;
  expect(running()).toBe(1);
  cli.child.kill("SIGTERM");
  const [code] = await once(cli.child, "exit");
  expect(code).toBe(0);
  expect(running()).toBe(0);
});

interface Cli {
  child: ReturnType<typeof spawn>;
  call(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; headers: Headers; body: unknown }>;
}

/** The command line program on free ports, with the tests' image. */
async function startCli(dataDir: string): Promise<Cli> {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = spawn(
    process.execPath,
    [main, "--data", dataDir, "--api-port", "0", "--proxy-port", "0", "--runtime", "process"].concat(
      "--image-command",
      JSON.stringify(imageCommand),
    ),
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
  });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const apiUrl = /http:\S+/.exec(String(line))?.[0] ?? "";
  return {
    child,
    async call(method, path, body) {
      const response = await fetch(`${apiUrl}/v1${path}`, {
        method,
        headers: { authorization: "Bearer test" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
  };
}
