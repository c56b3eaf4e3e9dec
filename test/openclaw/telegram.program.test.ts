/** Somebody writes to the owner's Telegram bot, is let in by the owner, and gets an answer: with the real OpenClaw of each version. */
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startController } from "../../controller/testing/controller-process.ts";
import { ensureOpenClaw, OPENCLAW_VERSIONS } from "../../infrastructure/docker/openclaw.ts";
import { createModelServer, type ModelServer } from "../../infrastructure/local/model-server.ts";
import { approvalSchema, channelPairingSchema, type ChannelRequest } from "../../src/gateway/wire.ts";
import { reroutedOpenClaw } from "./rerouted.ts";
import { createTelegramApi, type TelegramApi } from "./telegram-api.ts";

const STRANGER = 555_001;
const CODE = /\b([A-Z0-9]{8})\b/;
/** The baseline compiles its plugins at the first start, and the first answer takes its time. */
const TIMEOUT_MS = 240_000;

let directory: string;
let telegram: TelegramApi;
let model: ModelServer;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kiloclaw-telegram-"));
  telegram = await createTelegramApi();
  model = await createModelServer({ host: "127.0.0.1", port: 0 });
});
afterEach(async () => {
  await Promise.all([telegram.close(), model.close()]);
  await rm(directory, { recursive: true, force: true });
});

it.each(OPENCLAW_VERSIONS)(
  "with OpenClaw %s a stranger waits, shows in the list, is approved, and is answered, also after a restart",
  async (version) => {
    const { dir } = await ensureOpenClaw({ version, log: () => undefined });
    const hasApiRoot = version.startsWith("2026.9");
    await using controller = await startController({
      openClawDir: hasApiRoot ? dir : await reroutedOpenClaw(dir, telegram.url, directory),
      env: {
        TELEGRAM_BOT_TOKEN: "123456:telegram-token-of-the-test",
        KILOCODE_API_KEY: "model-key-of-the-test",
        KILOCODE_API_BASE_URL: `${model.url}/v1`,
      },
      prepare: async (home) => {
        if (!hasApiRoot) return;
        await mkdir(join(home, ".openclaw"));
        const channels = { telegram: { apiRoot: telegram.url } };
        await writeFile(join(home, ".openclaw", "openclaw.json"), JSON.stringify({ channels }));
      },
    });
    await controller.reached("running");

    const waiting = async (): Promise<readonly ChannelRequest[]> =>
      channelPairingSchema.parse(await (await controller.kilo("/pairing/channels")).json()).requests;
    telegram.write(STRANGER, "hello");
    const told = await telegram.sent(STRANGER, (text) => CODE.test(text));
    const code = CODE.exec(told.text)?.[1];
    await expect.poll(waiting).toMatchObject([{ channel: "telegram", senderId: String(STRANGER) }]);
    const [request] = await waiting();
    if (request === undefined) throw new Error("nobody waits");
    expect(request.code).toBe(hasApiRoot ? null : code);

    const approval = hasApiRoot
      ? { channel: "telegram", requestId: request.requestId }
      : { channel: "telegram", code };
    const answer = await controller.kilo("/pairing/channels/approve", { body: approval });
    expect(approvalSchema.parse(await answer.json())).toEqual({ outcome: "approved" });
    expect(await waiting()).toEqual([]);
    await telegram.sent(STRANGER, (text) => /approved|access/i.test(text));

    // Also over a restart of the gateway in itself, which ends the channel and begins it again.
    const { pid } = await controller.gateway("status");
    expect(await controller.gateway("restart")).toMatchObject({ state: "starting", pid });
    await controller.reached("running");
    expect(await controller.gateway("status")).toMatchObject({ pid, restarts: 0 });

    telegram.write(STRANGER, "what is the answer?");
    expect((await telegram.sent(STRANGER, (text) => text.includes("what is the answer?"))).text).not.toBe("");
  },
  TIMEOUT_MS,
);
