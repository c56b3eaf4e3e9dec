import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { bundleController } from "../bundle.ts";
import type { JsonObject } from "../config/json.ts";
import { configWriterFor } from "../config/versions.ts";
import { gatewayEnvironment, gatewayPaths } from "../environment.ts";
import { findOpenClaw } from "../openclaw.ts";
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

/** What one version does differently from the others, and what is asked of all of them. */
export interface VersionContract {
  readonly version: "2026.9.6" | "2026.2.26";
  /** What the Control UI calls itself. */
  readonly controlUi: ConnectOptions["client"];
  /** What a client without a lasting grant is told of its scopes. */
  readonly scopesTold: readonly string[] | null;
  /** What a connection with the owner's header gets that no proxy forwarded. */
  readonly unforwarded: Readonly<Record<string, unknown>>;
  /** What an app of a phone gets that came through the Worker, and so with the owner's session. */
  readonly phone: Readonly<Record<string, unknown>>;
  /** With what a program of the controller's comes in on loopback. */
  readonly ownProgram: Pick<ConnectOptions, "headers" | "password">;
  /** A command of the CLI that fails on a configuration which this version does not take. */
  readonly validate: readonly [string, ...string[]];
}

/** The running controller over the real gateway, for what a version has beside the contract. */
export interface Contract {
  readonly controller: () => ControllerProcess;
  readonly openClawDir: () => string;
  readonly throughController: Connect;
  readonly model: () => ModelStandIn;
  /** With what it was started. */
  readonly options: () => ControllerOptions;
  readonly settings: () => Readonly<Record<string, string>>;
}
type Connect = (options: Partial<ConnectOptions>) => Promise<Connection>;

export const THROUGH_WORKER = {
  "x-kiloclaw-proxy-token": PROXY_TOKEN,
  "x-kiloclaw-client-ip": "203.0.113.7",
  "x-kiloclaw-public-origin": ORIGIN,
  origin: ORIGIN,
};
export const FORWARDED = { "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "http" };
export const secrets = deriveGatewaySecrets(GATEWAY_TOKEN);

/** The user's: one with quotes, which whoever prints JSON escapes, and one that is a part of every URL of its channel. */
const USER_SECRETS = {
  KILOCODE_API_KEY: "canary-model-key",
  TELEGRAM_BOT_TOKEN: "123456:canary-telegram-token",
  MY_TOKEN: 'canary-"quoted"-token',
};
const MODEL_ID = "vendor/model";
/** The channel asks a proxy that is not there, so that the tests ask nobody outside. */
const BY_HAND =
  "// by hand\n{channels: {telegram: {proxy: 'http://127.0.0.1:9'}}, ui: {seamColor: '#336699'},}\n";
const USER: JsonObject = {
  channels: { telegram: { proxy: "http://127.0.0.1:9" } },
  ui: { seamColor: "#336699" },
};
/** A first installation, and a first start that compiles what the version brings as TypeScript. */
const START_TIMEOUT_MS = 300_000;

const pairingsSchema = z.object({ pending: z.array(z.object({ role: z.string(), clientId: z.string() })) });

/**
 * The tests that every version passes under the real controller: it accepts our configuration, lets the owner's browser in at
 * once, and nobody else.
 */
export function describeContract(contract: VersionContract): Contract {
  let controller: ControllerProcess;
  let model: ModelStandIn;
  let options: ControllerOptions;
  let directory: string;
  let openClawDir: string;

  beforeAll(async () => {
    // The versions are not ours, so their installer runs as a program; it prints where OpenClaw is.
    const installer = fileURLToPath(new URL("../../infrastructure/docker/openclaw.ts", import.meta.url));
    const installed = await promisify(execFile)(process.execPath, [installer, contract.version]);
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
      client: contract.controlUi,
      device: createDevice(),
      headers: THROUGH_WORKER,
      ...options,
    });
  const onLoopback: Connect = (options) =>
    connectToGateway({
      url: controller.gatewayUrl,
      client: contract.controlUi,
      device: createDevice(),
      ...options,
    });
  const connected = async (
    connection: Promise<Connection>,
  ): Promise<Extract<Connection, { kind: "connected" }>> => {
    const made = await connection;
    if (made.kind !== "connected") throw new Error(JSON.stringify(made));
    return made;
  };
  const write = (
    user: JsonObject,
    home: string,
    channels: { discord: boolean; slack: boolean },
  ): JsonObject => {
    const paths = gatewayPaths(home);
    const writer = configWriterFor(contract.version);
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

  describe(`OpenClaw ${contract.version}`, () => {
    it("runs on the configuration as it was written, with the user's part in it", async () => {
      const file = await readFile(gatewayPaths(controller.home).configFile, "utf8");
      const expected = write(USER, controller.home, { discord: false, slack: false });
      expect(JSON.parse(file)).toEqual(expected);
      expect(expected).toMatchObject(USER);
      expect(
        controller.log.filter((line) => /invalid config|unrecognized|auto-restored/i.test(line.message)),
      ).toEqual([]);
    });

    it("accepts the configuration of every channel, and writes nothing into it", async () => {
      const home = join(directory, "channels");
      const paths = gatewayPaths(home);
      await mkdir(paths.temporaryDir, { recursive: true });
      await mkdir(paths.stateDir, { recursive: true });
      const text = JSON.stringify(write({}, home, { discord: true, slack: true }));
      await writeFile(paths.configFile, text);
      const tokens = { DISCORD_BOT_TOKEN: "discord", SLACK_BOT_TOKEN: "xoxb-1", SLACK_APP_TOKEN: "xapp-1" };
      const env = gatewayEnvironment(
        { PATH: process.env["PATH"], ...USER_SECRETS, ...tokens },
        paths,
        secrets,
        contract.version,
      );
      const { entry } = await findOpenClaw(openClawDir);
      const validate = (): Promise<string> =>
        promisify(execFile)(process.execPath, [entry, ...contract.validate], { env, cwd: home })
          .then(
            () => "accepted",
            (error: unknown) => z.object({ stdout: z.string(), stderr: z.string() }).parse(error),
          )
          .then((answer) => JSON.stringify(answer));
      expect(await validate()).toBe('"accepted"');
      expect(await readFile(paths.configFile, "utf8")).toBe(text);
      await writeFile(paths.configFile, text.replace('"dmPolicy"', '"nope"'));
      expect(await validate()).toContain("nope");
    });

    it("serves its UI through the controller", async () => {
      const page = await fetch(controller.url, { headers: THROUGH_WORKER });
      expect(page.status).toBe(200);
      expect(await page.text()).toContain("OpenClaw Control");
    });

    it("never sees, logs or stores a token of ours, and shows none of the user's and not the owner's header", async () => {
      (await connected(throughController({}))).close();
      const paths = gatewayPaths(controller.home);
      const log = await readFile(paths.logFile, "utf8");
      const config = await readFile(paths.configFile, "utf8");
      await controller.logged((line) => line.message.includes("channels/telegram"));
      const hidden = [
        GATEWAY_TOKEN,
        PROXY_TOKEN,
        secrets.ownerHeader.slice(-64),
        secrets.password,
        ...Object.values(USER_SECRETS).map((secret) => JSON.stringify(secret).slice(1, -1)),
      ];
      for (const text of hidden)
        for (const place of [log, config, JSON.stringify(controller.log)]) expect(place).not.toContain(text);
    });
  });

  describe("the owner's browser", () => {
    it("is let in at once with a fresh device, with all that the UI needs, and again later", async () => {
      const device = createDevice();
      for (const attempt of ["first", "again"]) {
        const connection = await connected(throughController({ device }));
        expect({ attempt, scopes: connection.scopes }).toEqual({ attempt, scopes: contract.scopesTold });
        expect(await connection.call("models.list")).toMatchObject({
          models: expect.arrayContaining([expect.objectContaining({ id: MODEL_ID })]),
        });
        // What needs the scopes of an administrator, of reading, and of pairing.
        expect(await connection.call("config.get")).toMatchObject({ exists: true });
        expect(await connection.call("channels.status")).toMatchObject({
          channels: { telegram: { configured: true } },
        });
        expect(await connection.call("device.pair.list")).toMatchObject({ pending: [] });
        connection.close();
      }
    });

    it.each([
      ["another site", "https://evil.example"],
      ["another port of the same host", "http://127.0.0.1:9999"],
      ["the gateway's own address", "gateway"],
      ["no address", "null"],
    ])("is refused when the page is of %s, whatever it calls itself", async (_, given) => {
      const origin = given === "gateway" ? controller.gatewayUrl : given;
      for (const client of [contract.controlUi, { id: "gateway-client", mode: "backend" }])
        expect(await throughController({ client, headers: { ...THROUGH_WORKER, origin } })).toEqual({
          kind: "no_upgrade",
          status: 403,
        });
    });

    it("is refused without the proxy token", async () => {
      expect(await throughController({ headers: { origin: ORIGIN } })).toEqual({
        kind: "no_upgrade",
        status: 401,
      });
    });
  });

  describe("everybody else", () => {
    it("is refused on the gateway's own port", async () => {
      const refused = { kind: "refused", code: "AUTH_UNAUTHORIZED", reason: "trusted_proxy_user_missing" };
      for (const headers of [
        { origin: controller.gatewayUrl },
        { origin: ORIGIN, ...FORWARDED },
        { origin: ORIGIN, ...FORWARDED, "x-kiloclaw-owner": "Owner" },
      ])
        expect(await onLoopback({ headers })).toMatchObject(refused);
      for (const client of [
        { id: "cli", mode: "cli" },
        { id: "gateway-client", mode: "backend" },
      ])
        expect(await onLoopback({ client })).toMatchObject(refused);
    });

    it("is refused with a wrong name under the right header", async () => {
      const forged = { origin: ORIGIN, ...FORWARDED, [secrets.ownerHeader]: "Mallory" };
      expect(await onLoopback({ headers: forged })).toMatchObject({
        kind: "refused",
        reason: "trusted_proxy_user_not_allowed",
      });
    });

    it("gets with the right header, but no proxy's, what the version says", async () => {
      const connection = await onLoopback({
        headers: { origin: ORIGIN, [secrets.ownerHeader]: "Owner" },
      });
      expect(connection).toMatchObject(contract.unforwarded);
      if (connection.kind === "connected") connection.close();
    });

    it("waits for an approval as a device that is no browser, even when the owner's header vouches for it", async () => {
      const pending = { kind: "refused", code: "PAIRING_REQUIRED" };
      const foreign = [
        { client: { id: "node-host", mode: "node" }, role: "node" },
        { client: { id: "cli", mode: "cli" } },
      ] as const;
      for (const options of foreign) expect(await throughController(options)).toMatchObject(pending);
      const owner = await connected(throughController({}));
      const { pending: waiting } = pairingsSchema.parse(await owner.call("device.pair.list"));
      expect(waiting.map((item) => `${item.role} ${item.clientId}`).toSorted()).toEqual([
        "node node-host",
        "operator cli",
      ]);
      owner.close();
    });

    it("has to have the owner's session as an app of a phone, and then gets what the version says", async () => {
      const connection = await throughController({ client: { id: "openclaw-android", mode: "ui" } });
      expect(connection).toMatchObject(contract.phone);
      if (connection.kind === "connected") connection.close();
    });
  });

  it("a program of the controller's comes in on loopback without a device", async () => {
    const backend = await connected(
      connectToGateway({
        url: controller.gatewayUrl,
        client: { id: "gateway-client", mode: "backend" },
        ...contract.ownProgram,
      }),
    );
    expect(await backend.call("config.get")).toMatchObject({ exists: true });
    expect(await backend.call("device.pair.list")).toMatchObject({ paired: expect.any(Array) });
    backend.close();
  });

  return {
    controller: () => controller,
    openClawDir: () => openClawDir,
    throughController,
    model: () => model,
    options: () => options,
    settings,
  };
}
