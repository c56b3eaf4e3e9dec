/** What an older controller can't be asked for, by the command line of the real OpenClaw, from an environment as bare as an exec's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { startController } from "../../controller/testing/controller-process.ts";
import { connectToGateway, createDevice } from "../../controller/testing/openclaw-client.ts";
import { THROUGH_WORKER } from "../../controller/testing/openclaw-stage.ts";
import { ensureOpenClaw } from "../../infrastructure/docker/openclaw.ts";
import type { FlyExec } from "../../src/fly/client.ts";
import { createGatewayByExec } from "../../src/gateway/by-exec.ts";
import { devicePairingSchema } from "../../src/gateway/wire.ts";
import { createTelegramApi } from "./telegram-api.ts";

const STRANGER = 555_001;
const CODE = /\b([A-Z0-9]{8})\b/;
/** A dozen calls of the command line, each of a few seconds. */
const TIMEOUT_MS = 180_000;

/** Runs what Fly would run in the machine whose volume this is. */
function execIn(home: string, openclawDir: string): FlyExec {
  return {
    async execInMachine(_app, _machine, [program, ...args]) {
      const child = spawn(program, args, {
        env: { HOME: home, OPENCLAW_DIR: openclawDir, PATH: dirname(process.execPath) },
        cwd: "/",
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [stdout, stderr] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, "exit"),
      ]);
      return { ok: true, value: { exit_code: child.exitCode ?? 0, exit_signal: 0, stdout, stderr } };
    },
  };
}

it(
  "lists and approves the devices and the people who wait, as the gateway's own",
  async () => {
    const telegram = await createTelegramApi();
    const { dir } = await ensureOpenClaw({ version: "2026.9.6", log: () => undefined });
    await using controller = await startController({
      openClawDir: dir,
      env: { TELEGRAM_BOT_TOKEN: "123456:telegram-token-of-the-test" },
      prepare: async (home) => {
        await mkdir(join(home, ".openclaw"));
        const channels = { telegram: { apiRoot: telegram.url } };
        await writeFile(join(home, ".openclaw", "openclaw.json"), JSON.stringify({ channels }));
      },
    });
    await controller.reached("running");
    const gateway = createGatewayByExec(execIn(controller.home, dir), { appName: "app", machineId: "m" });
    expect(await gateway.version()).toMatchObject({ value: { openclawInstalled: "2026.9.6" } });

    const device = createDevice();
    const client = { id: "cli", mode: "cli" };
    const connect = () => connectToGateway({ url: controller.url, client, device, headers: THROUGH_WORKER });
    expect(await connect()).toMatchObject({ kind: "refused", code: "PAIRING_REQUIRED" });
    const own = devicePairingSchema.parse(
      await (await controller.kilo("/pairing/devices?refresh=true")).json(),
    );
    expect(own.requests).toMatchObject([{ deviceId: device.id }]);
    // The same to the last field, and without what the command line itself leaves behind.
    expect(await gateway.devices()).toMatchObject({ value: { stale: false, requests: own.requests } });
    const [request] = own.requests;
    if (request === undefined) throw new Error("no device waits");
    const approval = { requestId: request.requestId, fingerprint: request.fingerprint };
    const other = { ...approval, fingerprint: "0".repeat(64) };
    expect(await gateway.approveDevice(other)).toMatchObject({ value: { outcome: "changed" } });
    expect(await gateway.approveDevice(approval)).toMatchObject({ value: { outcome: "approved" } });
    expect(await gateway.approveDevice(approval)).toMatchObject({ value: { outcome: "not_pending" } });
    const connection = await connect();
    expect(connection.kind).toBe("connected");
    if (connection.kind === "connected") connection.close();

    telegram.write(STRANGER, "hello");
    const code = CODE.exec((await telegram.sent(STRANGER, (said) => CODE.test(said))).text)?.[1] ?? "";
    expect(await gateway.channels(null)).toMatchObject({
      value: {
        channels: [{ channel: "telegram", stale: false }],
        requests: [{ channel: "telegram", accountId: "default", code, senderId: String(STRANGER) }],
      },
    });
    const person = { channel: "telegram", code };
    expect(await gateway.approveChannel(person)).toMatchObject({ value: { outcome: "approved" } });
    expect(await gateway.approveChannel(person)).toMatchObject({ value: { outcome: "not_pending" } });
    await telegram.close();
  },
  TIMEOUT_MS,
);
