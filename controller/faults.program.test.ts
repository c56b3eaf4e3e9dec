/** What goes wrong in a machine (scenarios 46 to 48 of our list): each ends in a known state, and health answers throughout. */
import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  configReportSchema,
  controllerVersionSchema,
  doctorSchema,
  gatewayLogSchema,
} from "../src/gateway/wire.ts";
import {
  answers,
  MACHINE_ENV,
  startController,
  type ControllerProcess,
} from "./testing/controller-process.ts";
import { watchHealth } from "./testing/health-watch.ts";
import { seal } from "./testing/seal.ts";

type Options = Parameters<typeof startController>[0];

/** Starts a controller, does something to it, and has its health asked every 50 ms until that is over. */
async function throughout(
  options: Options,
  run: (controller: ControllerProcess) => Promise<void>,
): Promise<readonly string[]> {
  await using controller = await startController(options);
  const watch = watchHealth(controller.url);
  await run(controller);
  const { answers: count, seen } = await watch.end();
  expect(count).toBeGreaterThan(0);
  return seen;
}

const said = (controller: ControllerProcess, message: string): Promise<unknown> =>
  controller.logged((line) => line.message === message);

it("a gateway that crashes at once is started again after growing pauses, and the reason is told", async () => {
  const seen = await throughout(
    { behaviour: { exitCode: 3, lastWords: "Error: no room left on device" } },
    async (controller) => {
      await controller.reached("crashed");
      await controller.reached("crashed");
      expect(await controller.gateway("status")).toMatchObject({
        failure: "exited",
        failuresInARow: 2,
        reason: "Error: no room left on device",
        retryAt: expect.any(String),
      });
    },
  );
  expect(seen).toContain("degraded gateway_crashed");
});

it("a gateway that ignores SIGTERM is killed at the bound", async () => {
  const seen = await throughout(
    { behaviour: { ignoreSigterm: true }, env: { KILOCLAW_STOP_TIMEOUT_MS: "300" } },
    async (controller) => {
      await controller.reached("running");
      await controller.gateway("stop");
      await said(controller, "stand-in got SIGTERM");
      await controller.reached("stopped");
      expect(await answers(controller.gatewayUrl)).toBe(false);
    },
  );
  expect(seen).toEqual(expect.arrayContaining(["starting gateway_stop", "degraded gateway_stopped"]));
});

it("a grandchild on the port is killed before the next start, also from a session of its own", async () => {
  await throughout({ behaviour: { portHolder: "session" } }, async (controller) => {
    await controller.reached("running");
    await controller.behave({});
    await controller.gateway("stop");
    await controller.reached("stopped");
    expect(await answers(controller.gatewayUrl)).toBe(true);
    await controller.gateway("start");
    await controller.reached("running");
    expect(await (await fetch(`${controller.gatewayUrl}/x`)).json()).toMatchObject({ method: "GET" });
  });
});

it("a line of a megabyte is cut, and the next one is whole", async () => {
  await throughout({ behaviour: { print: `${"x".repeat(1_000_000)}\nnext` } }, async (controller) => {
    await controller.reached("running");
    const { lines } = gatewayLogSchema.parse(await (await controller.kilo("/gateway/logs")).json());
    expect(lines.slice(0, 2).map(({ text }) => text)).toEqual(["x".repeat(8_192), "next"]);
  });
});

it("a command line that hangs holds up nothing, and is killed with the controller's end", async () => {
  await throughout({ behaviour: { cliHangs: true, isNameless: true } }, async (controller) => {
    await controller.reached("running");
    const version = controllerVersionSchema.parse(await (await controller.kilo("/version")).json());
    // Its process says nothing of its version, and the command line never answers.
    expect(version).toMatchObject({ openclaw: null, openclawInstalled: "2026.9.6" });
    expect((await controller.kilo("/pairing/channels?refresh=true")).status).toBe(200);
  });
});

it("a gateway that answers nothing any more is ended and started again", async () => {
  const seen = await throughout(
    { behaviour: { muteWhen: "mute" }, env: { KILOCLAW_HANG_TIMEOUT_MS: "600" } },
    async (controller) => {
      await controller.reached("running");
      const { pid } = await controller.gateway("status");
      await controller.behave({});
      await writeFile(join(controller.home, "mute"), "");
      await controller.reached("crashed");
      expect(await controller.gateway("status")).toMatchObject({ failure: "hung" });
      await controller.reached("running");
      const status = await controller.gateway("status");
      expect(status).toMatchObject({ restarts: 1, failure: null });
      expect(status.pid).not.toBe(pid);
    },
  );
  expect(seen).toContain("degraded gateway_hung");
});

it("a configuration cut in half is set aside and told, not taken for an empty one", async () => {
  await throughout({}, async (controller) => {
    await controller.reached("running");
    await controller.gateway("stop");
    await controller.reached("stopped");
    const path = join(controller.home, ".openclaw", "openclaw.json");
    const half = (await readFile(path, "utf8")).slice(0, 200);
    await truncate(path, 200);
    await controller.gateway("start");
    await controller.reached("running");
    const report = configReportSchema.parse(await (await controller.kilo("/config")).json());
    expect(report).toMatchObject({ kind: "begun_anew", setAside: expect.stringContaining("unreadable") });
    const names = await readdir(join(controller.home, ".openclaw"));
    expect(names).toContain(report.setAside);
    expect(await readFile(join(controller.home, ".openclaw", report.setAside ?? ""), "utf8")).toBe(half);
  });
});

it("a wrong key leaves the controller degraded, with no gateway", async () => {
  const { KILOCLAW_SANDBOX_ID = "", ...variables } = MACHINE_ENV;
  const sealing = {
    ...seal(variables, KILOCLAW_SANDBOX_ID),
    KILOCLAW_ENV_KEY: Buffer.alloc(32, 1).toString("base64"),
  };
  const seen = await throughout({ machineEnv: { KILOCLAW_SANDBOX_ID, ...sealing } }, async (controller) => {
    await said(controller, "the machine's environment is unusable");
    expect(await answers(controller.gatewayUrl)).toBe(false);
  });
  expect(seen).toEqual(["degraded sealed_environment"]);
});

it("a configuration that is refused is repaired by the doctor once, and runs", async () => {
  await throughout({ behaviour: { exitCode: 78, doctor: "repairs" } }, async (controller) => {
    await controller.reached("running");
    const doctor = doctorSchema.parse(await (await controller.kilo("/doctor")).json());
    expect(doctor).toMatchObject({ state: "done", fix: true, exitCode: 0 });
    expect(doctor.output).toBe("stand-in runs doctor --non-interactive --fix --yes\n");
  });
});

it("a configuration that the doctor can't repair stays down, and the reason is told", async () => {
  const seen = await throughout(
    {
      behaviour: {
        exitCode: 78,
        doctor: "is helpless",
        lastWords: 'Invalid config: Unrecognized key: "bogus"',
      },
    },
    async (controller) => {
      await controller.reached("crashed");
      expect(await controller.gateway("status")).toMatchObject({
        failure: "config_rejected",
        retryAt: null,
        failuresInARow: 2,
        reason: 'Invalid config: Unrecognized key: "bogus"',
      });
    },
  );
  expect(seen).toEqual(expect.arrayContaining(["degraded gateway_config"]));
});

it("a doctor that hangs can be cancelled, and another may run after it", async () => {
  await throughout({ behaviour: { doctor: "hangs" } }, async (controller) => {
    await controller.reached("running");
    const started = await controller.kilo("/doctor", { body: {} });
    expect(started.status).toBe(202);
    expect(await (await controller.kilo("/doctor", { body: { fix: true } })).json()).toMatchObject({
      fix: false,
    });
    await controller.kilo("/doctor", { method: "DELETE" });
    await expect
      .poll(async () => doctorSchema.parse(await (await controller.kilo("/doctor")).json()).state)
      .toBe("cancelled");
    await controller.behave({});
    expect(await (await controller.kilo("/doctor", { body: {} })).json()).toMatchObject({ state: "running" });
  });
});

it("a configuration that is refused while the doctor only looks gets one that repairs after it", async () => {
  await throughout({ behaviour: { doctor: "hangs" } }, async (controller) => {
    await controller.reached("running");
    const doctor = async () => doctorSchema.parse(await (await controller.kilo("/doctor")).json());
    await controller.kilo("/doctor", { body: {} });
    await expect.poll(async () => (await doctor()).output).toContain("stand-in runs doctor");
    await controller.behave({ exitCode: 78, doctor: "repairs" });
    await controller.gateway("stop");
    await controller.reached("stopped");
    await controller.gateway("start");
    await said(controller, "the gateway refuses its configuration, so its doctor is asked once");
    expect(await controller.health()).toEqual({ state: "starting", stage: "doctor" });
    await controller.kilo("/doctor", { method: "DELETE" });
    await controller.reached("running");
    expect(await doctor()).toMatchObject({ state: "done", fix: true });
  });
});
