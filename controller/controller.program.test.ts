import { once } from "node:events";
import { mkdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import { LOG_LINE_CHARS_MAX } from "../src/gateway/wire.ts";
import {
  answers,
  GATEWAY_TOKEN,
  MACHINE_ENV,
  PROXY_TOKEN,
  startController,
} from "./testing/controller-process.ts";
import { seal, type Sealing } from "./testing/seal.ts";

const environmentSchema = z.record(z.string(), z.string());
const wrongKey = Buffer.alloc(32, 1).toString("base64");

it("answers health while the gateway starts, and says ready when it is", async () => {
  await using controller = await startController({ behaviour: { readyWhen: "go" } });
  await controller.logged((line) => line.message === "stand-in gateway starts");
  expect(await controller.health()).toEqual({ state: "starting", stage: "gateway_start" });
  await writeFile(join(controller.home, "go"), "");
  await controller.reached("running");
  expect(await controller.health()).toEqual({ state: "ready", stage: "ready" });
});

it("stays up without a usable environment, and tells the cause to nobody but the log", async () => {
  await using controller = await startController({
    env: { KILOCLAW_PROXY_TOKEN: "short", OPENCLAW_ALLOWED_ORIGINS: "" },
  });
  const line = await controller.logged((item) => item.message === "the machine's environment is unusable");
  expect(line["problems"]).toEqual([
    "KILOCLAW_PROXY_TOKEN is not hexadecimal",
    "KILOCLAW_PROXY_TOKEN is shorter than 32 characters",
    "OPENCLAW_ALLOWED_ORIGINS is missing",
  ]);
  const health = await fetch(`${controller.url}/_kilo/health`);
  expect(await health.text()).toBe('{"state":"degraded","stage":"config"}');
  for (const path of ["/", "/_kilo/version"]) {
    const response = await fetch(controller.url + path, {
      headers: { authorization: `Bearer ${GATEWAY_TOKEN}` },
    });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: "misconfigured" });
  }
  expect(await controller.end()).toBe(0);
});

const { KILOCLAW_SANDBOX_ID = "", ...VARIABLES } = MACHINE_ENV;

it("opens a sealed environment and goes on with it, and its gateway sees neither a text nor the key", async () => {
  const sealing = seal(
    { ...VARIABLES, MY_VARIABLE: "of the user", NODE_OPTIONS: "--inspect" },
    KILOCLAW_SANDBOX_ID,
  );
  await using controller = await startController({ machineEnv: { KILOCLAW_SANDBOX_ID, ...sealing } });
  await controller.reached("running");
  const gateway = environmentSchema.parse(await (await fetch(`${controller.gatewayUrl}/env`)).json());
  expect(gateway).toMatchObject({ MY_VARIABLE: "of the user" });
  expect(Object.keys(gateway).filter((name) => name.startsWith("KILOCLAW_"))).toEqual([]);
  expect(JSON.stringify(controller.log)).not.toContain(keyIn(sealing));
  const line = await controller.logged(
    (item) => item.message === "variables that nobody may set are ignored",
  );
  expect(line["names"]).toEqual(["NODE_OPTIONS"]);
});

// Only Linux shows what a process was started with.
it.skipIf(process.platform !== "linux")(
  "S06: no process of a machine shows the key or a sealed text after boot, and the controller no secret at all",
  async () => {
    const sealing = seal({ ...VARIABLES, MY_VARIABLE: "of the user" }, KILOCLAW_SANDBOX_ID);
    await using controller = await startController({ machineEnv: { KILOCLAW_SANDBOX_ID, ...sealing } });
    await controller.reached("running");
    const { pid } = await controller.gateway("status");
    const startedWith = (id: number | null | undefined) => readFile(`/proc/${id}/environ`, "utf8");
    const [ours, gateways] = await Promise.all([startedWith(controller.process.pid), startedWith(pid)]);
    expect(gateways).toContain("MY_VARIABLE=of the user");
    expect(ours).toContain(`KILOCLAW_SANDBOX_ID=${KILOCLAW_SANDBOX_ID}`);
    for (const shown of [ours, gateways]) {
      expect(shown).not.toContain("KILOCLAW_SEALED_");
      for (const text of [keyIn(sealing), ...Object.values(sealing)]) expect(shown).not.toContain(text);
    }
    for (const secret of [GATEWAY_TOKEN, PROXY_TOKEN, "of the user"]) expect(ours).not.toContain(secret);
    const input = await readlink(`/proc/${controller.process.pid}/fd/0`);
    expect(input).toBe("/dev/null");
    expect(await controller.end()).toBe(0);
  },
);

it.each([
  ["without its key", { KILOCLAW_ENV_KEY: "" }],
  ["with another key", { KILOCLAW_ENV_KEY: `2:${wrongKey}` }],
  ["of another sandbox", { KILOCLAW_SANDBOX_ID: "sandbox-2" }],
  ["one of which was moved to another name", { KILOCLAW_SEALED_MY_VARIABLE: "…" }],
])("S04: stays up without a gateway and says so with a sealed environment %s", async (_what, change) => {
  const sealing = seal({ ...VARIABLES, MY_VARIABLE: "of the user" }, KILOCLAW_SANDBOX_ID);
  const moved = { KILOCLAW_SEALED_MY_VARIABLE: sealing["KILOCLAW_SEALED_OPENCLAW_ALLOWED_ORIGINS"] ?? "" };
  await using controller = await startController({
    machineEnv: {
      KILOCLAW_SANDBOX_ID,
      ...sealing,
      ...("KILOCLAW_SEALED_MY_VARIABLE" in change ? moved : change),
    },
  });
  await controller.logged((line) => line.message === "the machine's environment is unusable");
  expect(await controller.health()).toEqual({ state: "degraded", stage: "sealed_environment" });
  expect(await answers(controller.gatewayUrl)).toBe(false);
  const version = await fetch(`${controller.url}/_kilo/version`, {
    headers: { authorization: `Bearer ${GATEWAY_TOKEN}` },
  });
  expect(await version.json()).toMatchObject({ code: "misconfigured" });
  const log = JSON.stringify(controller.log);
  for (const secret of [keyIn(sealing), wrongKey, GATEWAY_TOKEN, PROXY_TOKEN])
    expect(log).not.toContain(secret);
});

function keyIn({ KILOCLAW_ENV_KEY }: Sealing): string {
  return KILOCLAW_ENV_KEY.replace("2:", "");
}

it("is degraded without OpenClaw, tries again by itself, and at once when asked", async () => {
  await using controller = await startController({ openClawDir: "/nonexistent/openclaw" });
  await controller.reached("crashed");
  expect(await controller.health()).toEqual({ state: "degraded", stage: "openclaw" });
  const status = await controller.gateway("status");
  expect(status).toMatchObject({ failure: "not_prepared", failuresInARow: 1 });
  expect(status.retryAt).not.toBeNull();
});

it("is degraded while the configuration cannot be written, and comes up once it can", async () => {
  await using controller = await startController({
    prepare: (home) => writeFile(join(home, ".openclaw"), "in the way"),
  });
  await controller.reached("crashed");
  expect(await controller.health()).toEqual({ state: "degraded", stage: "config_file" });
  await rm(join(controller.home, ".openclaw"));
  await controller.gateway("start");
  await controller.reached("running");
  expect(await controller.health()).toEqual({ state: "ready", stage: "ready" });
});

it("starts a gateway again that ended by itself, whatever its exit code", async () => {
  await using controller = await startController({ behaviour: { exitCode: 0 } });
  await controller.reached("crashed");
  expect(await controller.gateway("status")).toMatchObject({
    state: "crashed",
    failure: "exited",
    failuresInARow: 1,
  });
  expect(await controller.health()).toEqual({ state: "degraded", stage: "gateway_crashed" });
  await controller.behave({});
  await controller.reached("running");
  const before = await controller.gateway("status");
  expect(await answers(`${controller.gatewayUrl}/crash`)).toBe(false);
  await controller.reached("crashed");
  await controller.reached("running");
  const after = await controller.gateway("status");
  expect(after.pid).not.toBe(before.pid);
});

it("leaves a gateway down that refuses its configuration, until it is asked to start", async () => {
  await using controller = await startController({ behaviour: { exitCode: 78 } });
  await controller.reached("crashed");
  expect(await controller.gateway("status")).toMatchObject({ failure: "config_rejected", retryAt: null });
  expect(await controller.health()).toEqual({ state: "degraded", stage: "gateway_config" });
  await controller.behave({});
  expect(await controller.gateway("start")).toMatchObject({ state: "starting", failure: null });
  await controller.reached("running");
});

it("stops, starts and restarts the gateway as it is told, the newest word winning", async () => {
  await using controller = await startController();
  await controller.reached("running");
  expect(await controller.gateway("stop")).toMatchObject({ state: "stopping" });
  await controller.reached("stopped");
  expect(await controller.health()).toEqual({ state: "degraded", stage: "gateway_stopped" });
  expect(await answers(controller.gatewayUrl)).toBe(false);

  await controller.gateway("start");
  await controller.reached("running");
  const first = await controller.gateway("status");
  expect(await controller.gateway("restart")).toMatchObject({ state: "starting", pid: first.pid });
  await controller.logged((line) => line.message === "stand-in restarts in itself");
  await controller.reached("running");
  expect(await controller.gateway("status")).toMatchObject({ pid: first.pid });

  await Promise.all([controller.gateway("restart"), controller.gateway("restart")]);
  await controller.gateway("stop");
  await controller.reached("stopped");
  expect(await controller.gateway("status")).toMatchObject({ state: "stopped", pid: null });
});

it("ends with the gateway on SIGTERM, and exits 0", async () => {
  await using controller = await startController();
  await controller.reached("running");
  expect(await controller.end()).toBe(0);
  expect(controller.log.map((line) => line.message)).toContain("stand-in got SIGTERM");
  expect(await answers(controller.gatewayUrl)).toBe(false);
});

it("kills a gateway that ignores SIGTERM, with all that it started", async () => {
  await using controller = await startController({
    behaviour: { ignoreSigterm: true, portHolder: "group" },
    env: { KILOCLAW_STOP_TIMEOUT_MS: "200" },
  });
  await controller.reached("running");
  expect(await controller.end()).toBe(0);
  expect(await answers(controller.gatewayUrl)).toBe(false);
});

it("frees the port from a crashed gateway's children before it starts the next", async () => {
  await using controller = await startController({ behaviour: { portHolder: "group" } });
  await controller.reached("running");
  const { pid } = await controller.gateway("status");
  if (pid === null) throw new Error("the gateway has no process");
  await controller.behave({});
  process.kill(pid, "SIGKILL");
  await controller.reached("crashed");
  await controller.reached("running");
  const echo = await fetch(`${controller.gatewayUrl}/anything`);
  expect(await echo.json()).toMatchObject({ method: "GET" });
});

it("kills what a crashed gateway left on the port in a session of its own", async () => {
  await using controller = await startController({ behaviour: { portHolder: "session" } });
  await controller.reached("running");
  const { pid } = await controller.gateway("status");
  if (pid === null) throw new Error("the gateway has no process");
  await controller.behave({});
  process.kill(pid, "SIGKILL");
  await controller.logged((line) => line.message === "what the gateway left on its port was killed");
  await controller.reached("running");
  const echo = await fetch(`${controller.gatewayUrl}/anything`);
  expect(await echo.json()).toMatchObject({ method: "GET" });
});

it("starts nothing while a stranger holds the gateway's port", async () => {
  await using controller = await startController({ behaviour: { portHolder: "stranger" } });
  await controller.reached("running");
  const { pid } = await controller.gateway("status");
  if (pid === null) throw new Error("the gateway has no process");
  await controller.behave({});
  process.kill(pid, "SIGKILL");
  await controller.reached("crashed");
  await controller.reached("starting");
  expect(await controller.gateway("status")).toMatchObject({ state: "starting", pid: null });
  expect(await answers(`${controller.gatewayUrl}/quit`)).toBe(false);
  await controller.reached("running");
});

it("gives the gateway the user's variables, and none that are ours or decide how it runs", async () => {
  await using controller = await startController({
    env: { MY_SETTING: "mine", LD_AUDIT: "/tmp/evil.so", NODE_PATH: "/tmp", OPENCLAW_GATEWAY_TOKEN: "clash" },
  });
  await controller.reached("running");
  const env = environmentSchema.parse(await (await fetch(`${controller.gatewayUrl}/env`)).json());
  expect(env["MY_SETTING"]).toBe("mine");
  expect(Object.keys(env).filter((name) => name.startsWith("KILOCLAW_"))).toEqual([]);
  expect(Object.keys(env)).not.toEqual(expect.arrayContaining(["LD_AUDIT"]));
  expect(env).not.toHaveProperty("NODE_PATH");
  expect(env).not.toHaveProperty("OPENCLAW_GATEWAY_TOKEN");
  expect(env).toMatchObject({
    HOME: controller.home,
    TMPDIR: join(controller.home, ".kiloclaw", "tmp"),
    OPENCLAW_STATE_DIR: join(controller.home, ".openclaw"),
    OPENCLAW_NO_RESPAWN: "1",
  });
  expect(Object.values(env).filter((value) => value === GATEWAY_TOKEN || value === PROXY_TOKEN)).toEqual([]);
});

it("starts the gateway anew for a setting of a name that the image sets too", async () => {
  await using controller = await startController({ env: { TZ: "UTC", KILOCLAW_GENERATION: "1" } });
  await controller.reached("running");
  const settings = { TZ: "Asia/Tokyo", KILOCLAW_SETTING_NAMES: "TZ" };
  const body = { generation: 2, settings, stored: settings };
  // The answer waits until the gateway says to use them, which the stand-in never does.
  const answered = controller.kilo("/env", { method: "PUT", body }).catch(() => null);
  await controller.reached("running");
  const env = environmentSchema.parse(await (await fetch(`${controller.gatewayUrl}/env`)).json());
  expect(env["TZ"]).toBe("Asia/Tokyo");
  await controller.end();
  await answered;
});

it("keeps secrets out of its log, also those that the gateway prints", async () => {
  await using controller = await startController({
    behaviour: { print: `leak ${GATEWAY_TOKEN} ${PROXY_TOKEN} canary-api-key-1` },
    env: { KILOCODE_API_KEY: "canary-api-key-1" },
  });
  await controller.reached("running");
  await controller.end();
  expect(controller.log.map((line) => line.message)).toContain("leak [redacted] [redacted] [redacted]");
  const text = JSON.stringify(controller.log);
  const config = await readFile(join(controller.home, ".openclaw", "openclaw.json"), "utf8");
  for (const secret of [GATEWAY_TOKEN, PROXY_TOKEN, "canary-api-key-1"]) {
    expect(text).not.toContain(secret);
    expect(config).not.toContain(secret);
  }
});

it("runs with the default for a model that is none, and tells its name and not its value", async () => {
  await using controller = await startController({
    env: { KILOCODE_API_KEY: "canary-api-key-1", KILOCODE_DEFAULT_MODEL: "canary model" },
  });
  await controller.reached("running");
  await controller.logged(
    ({ message, names }) =>
      message === "unusable environment variables are ignored" &&
      JSON.stringify(names) === '["KILOCODE_DEFAULT_MODEL"]',
  );
  expect(JSON.stringify(controller.log)).not.toContain("canary");
});

it("S01: keeps a secret out of all that it tells of a gateway, where it has several lines or is cut", async () => {
  const key = ["-----BEGIN KEY-----", "canary-line-1", "canary-line-2"].join("\n");
  const cut = `${"x".repeat(LOG_LINE_CHARS_MAX - 20)}error: `;
  await using controller = await startController({
    behaviour: { exitCode: 1, lastWords: `${key}\n${cut}canary-api-key-1` },
    env: { KILOCODE_API_KEY: "canary-api-key-1", MY_KEY: key },
  });
  await controller.reached("crashed");
  const { reason } = await controller.gateway("status");
  for (const told of [controller.log, await (await controller.kilo("/gateway/logs")).json()])
    expect(JSON.stringify(told)).toContain(`${cut}[redacted]`);
  expect(reason).toContain("xxx");
  expect(JSON.stringify([controller.log, reason])).not.toContain("canary");
  expect(await (await controller.kilo("/gateway/logs")).text()).not.toContain("canary");
});

it("listens before the gateway, and answers while it is being stopped", async () => {
  await using controller = await startController({
    behaviour: { ignoreSigterm: true },
    env: { KILOCLAW_STOP_TIMEOUT_MS: "60000" },
  });
  await controller.reached("running");
  await controller.gateway("stop");
  await controller.logged((line) => line.message === "stand-in got SIGTERM");
  expect(await controller.health()).toEqual({ state: "starting", stage: "gateway_stop" });
  const { pid } = await controller.gateway("status");
  if (pid === null) throw new Error("the gateway has no process");
  process.kill(pid, "SIGKILL");
  await controller.reached("stopped");
  controller.process.kill("SIGTERM");
  await once(controller.process, "exit");
  expect(controller.process.exitCode).toBe(0);
});

it("takes over from a controller that was killed, whose gateway still runs", async () => {
  await using first = await startController();
  await first.reached("running");
  const { pid } = await first.gateway("status");
  await first.end("SIGKILL");
  expect(await answers(first.gatewayUrl)).toBe(true);

  await using second = await startController({ after: first });
  await second.reached("running");
  const line = await second.logged((item) => item.message === "an earlier controller's gateway was killed");
  expect(line["pid"]).toBe(pid);
  expect(await second.health()).toEqual({ state: "ready", stage: "ready" });
});

it("leaves a process alone that has only the number of an earlier gateway", async () => {
  await using controller = await startController({
    prepare: async (home) => {
      await mkdir(join(home, ".kiloclaw"));
      await writeFile(
        join(home, ".kiloclaw", "gateway.json"),
        JSON.stringify({ pid: process.pid, identity: "boot 1" }),
      );
    },
  });
  await controller.reached("running");
  expect(controller.log.map((line) => line.message)).not.toContain(
    "an earlier controller's gateway was killed",
  );
});

it("is degraded, and says so, with an OpenClaw of a version that it does not know", async () => {
  await using controller = await startController({ openClawVersion: "2031.1.1" });
  await controller.reached("crashed");
  expect(await controller.health()).toEqual({ state: "degraded", stage: "config_file" });
  await controller.logged((line) => line.message === "no configuration is known for this OpenClaw");
});

it("ends with an error when its own port is taken", async () => {
  await using first = await startController();
  await expect(startController({ after: first })).rejects.toThrow("EADDRINUSE");
  expect(await first.health()).toMatchObject({ state: expect.any(String) });
});

it("stays stopped when other settings come while the gateway is being stopped", async () => {
  await using controller = await startController({
    behaviour: { ignoreSigterm: true },
    env: { KILOCLAW_STOP_TIMEOUT_MS: "1000" },
  });
  await controller.reached("running");
  expect(await controller.gateway("stop")).toMatchObject({ state: "stopping" });
  const update = { generation: 2, settings: { MY_SETTING: "changed" }, stored: { MY_SETTING: "changed" } };
  const answer = await controller.kilo("/env", { method: "PUT", body: update });
  expect(await answer.json()).toEqual({ generation: 2, how: "gateway_restart", inEffect: false });
  await controller.reached("stopped");
  expect(await controller.gateway("status")).toMatchObject({ state: "stopped", pid: null });
  await controller.gateway("start");
  await controller.reached("running");
  const env = environmentSchema.parse(await (await fetch(`${controller.gatewayUrl}/env`)).json());
  expect(env).toMatchObject({ MY_SETTING: "changed" });
});
