import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll } from "vitest";
import { bundleController } from "../bundle.ts";
import type { JsonObject } from "../config/json.ts";
import { configWriterFor } from "../config/versions.ts";
import { gatewayPaths } from "../environment.ts";
import { deriveGatewaySecrets } from "../secrets.ts";
import {
  GATEWAY_TOKEN,
  MACHINE_ENV,
  ORIGIN,
  PROXY_TOKEN,
  startController,
  type ControllerOptions,
  type ControllerProcess,
} from "./controller-process.ts";
import { createModelStandIn, type ModelStandIn } from "./model-stand-in.ts";
import { connectToGateway, createDevice, type Connection, type ConnectOptions } from "./openclaw-client.ts";

/** The controller over the real gateway, from before the first test of a file to after its last. */
export interface Stage {
  readonly controller: () => ControllerProcess;
  readonly openClawDir: () => string;
  readonly directory: () => string;
  readonly model: () => ModelStandIn;
  /** With what the controller was started. */
  readonly options: () => ControllerOptions;
  /** What the tenant has set, as variables. */
  readonly settings: () => Readonly<Record<string, string>>;
  /** The configuration that the version gets, in the place of the user's. */
  readonly write: (
    user: JsonObject,
    home: string,
    channels: { discord: boolean; slack: boolean },
  ) => JsonObject;
  /** As the Control UI with a new device, as far as the options do not say something else. */
  readonly throughController: Connect;
  readonly onLoopback: Connect;
}
type Connect = (options: Partial<ConnectOptions>) => Promise<Connection>;

export type Version = "2026.9.6" | "2026.2.26";

export const THROUGH_WORKER = {
  "x-kiloclaw-proxy-token": PROXY_TOKEN,
  "x-kiloclaw-client-ip": "203.0.113.7",
  "x-kiloclaw-public-origin": ORIGIN,
  origin: ORIGIN,
};
export const FORWARDED = { "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "http" };
export const secrets = deriveGatewaySecrets(GATEWAY_TOKEN);

/** The user's: one with quotes, which whoever prints JSON escapes, and one that is a part of every URL of its channel. */
export const USER_SECRETS = {
  KILOCODE_API_KEY: "canary-model-key",
  TELEGRAM_BOT_TOKEN: "123456:canary-telegram-token",
  MY_TOKEN: 'canary-"quoted"-token',
};
export const MODEL_ID = "vendor/model";
/** The channel asks a proxy that is not there, so that the tests ask nobody outside. */
const BY_HAND =
  "// by hand\n{channels: {telegram: {proxy: 'http://127.0.0.1:9'}}, ui: {seamColor: '#336699'},}\n";
export const USER: JsonObject = {
  channels: { telegram: { proxy: "http://127.0.0.1:9" } },
  ui: { seamColor: "#336699" },
};
/** A first installation, and a first start that compiles what the version brings as TypeScript. */
const START_TIMEOUT_MS = 300_000;

/** @param controlUi what the Control UI of the version calls itself */
export function stageOpenClaw(version: Version, controlUi: ConnectOptions["client"]): Stage {
  let controller: ControllerProcess;
  let model: ModelStandIn;
  let options: ControllerOptions;
  let directory: string;
  let openClawDir: string;

  beforeAll(async () => {
    // The versions are not ours, so their installer runs as a program; it prints where OpenClaw is.
    const installer = fileURLToPath(new URL("../../infrastructure/docker/openclaw.ts", import.meta.url));
    const installed = await promisify(execFile)(process.execPath, [installer, version]);
    openClawDir = installed.stdout.trim();
    directory = await mkdtemp(join(tmpdir(), "kiloclaw-contract-"));
    const main = join(directory, "controller.mjs");
    await bundleController(main);
    model = await createModelStandIn();
    options = { main, openClawDir, env: { ...settings(), KILOCLAW_GENERATION: "1" } };
    controller = await startController({
      ...options,
      prepare: async (home) => {
        await mkdir(join(home, ".openclaw"));
        await writeFile(join(home, ".openclaw", "openclaw.json"), BY_HAND);
      },
    });
    await controller.reached("running");
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await controller[Symbol.asyncDispose]();
    await model.close();
    await rm(directory, { recursive: true, force: true });
  });

  const settings = (): Readonly<Record<string, string>> => ({
    ...USER_SECRETS,
    KILOCODE_API_BASE_URL: model.url,
    KILOCODE_DEFAULT_MODEL: MODEL_ID,
  });
  const throughController: Connect = (options) =>
    connectToGateway({
      url: controller.url,
      client: controlUi,
      device: createDevice(),
      headers: THROUGH_WORKER,
      ...options,
    });
  const onLoopback: Connect = (options) =>
    connectToGateway({
      url: controller.gatewayUrl,
      client: controlUi,
      device: createDevice(),
      ...options,
    });
  const write = (
    user: JsonObject,
    home: string,
    channels: { discord: boolean; slack: boolean },
  ): JsonObject => {
    const paths = gatewayPaths(home);
    const writer = configWriterFor(version);
    if (writer === null) throw new Error("the version has no writer");
    return writer(user, {
      gatewayPort: Number(new URL(controller.gatewayUrl).port),
      allowedOrigins: MACHINE_ENV["OPENCLAW_ALLOWED_ORIGINS"]?.split(",") ?? [],
      model: { baseUrl: model.url, id: MODEL_ID },
      channels: { telegram: true, ...channels },
      workspace: paths.workspace,
      logFile: paths.logFile,
    });
  };

  return {
    controller: () => controller,
    openClawDir: () => openClawDir,
    directory: () => directory,
    model: () => model,
    options: () => options,
    settings,
    write,
    throughController,
    onLoopback,
  };
}

/** The connection, when it is one. */
export async function connected(
  connection: Promise<Connection>,
): Promise<Extract<Connection, { kind: "connected" }>> {
  const made = await connection;
  if (made.kind !== "connected") throw new Error(JSON.stringify(made));
  return made;
}
