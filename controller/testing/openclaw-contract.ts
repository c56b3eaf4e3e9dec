import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { gatewayEnvironment, gatewayPaths } from "../environment.ts";
import { findOpenClaw } from "../openclaw.ts";
import { GATEWAY_TOKEN, ORIGIN, PROXY_TOKEN } from "./controller-process.ts";
import { connectToGateway, createDevice, type ConnectOptions } from "./openclaw-client.ts";
import {
  connected,
  FORWARDED,
  MODEL_ID,
  secrets,
  stageOpenClaw,
  THROUGH_WORKER,
  USER,
  USER_SECRETS,
  type Stage,
  type Version,
} from "./openclaw-stage.ts";

/** What one version does differently from the others, and what is asked of all of them. */
export interface VersionContract {
  readonly version: Version;
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

const pairingsSchema = z.object({ pending: z.array(z.object({ role: z.string(), clientId: z.string() })) });

/**
 * The tests that every version passes under the real controller: it accepts our configuration, lets the owner's browser in at
 * once, and nobody else.
 */
export function describeContract(contract: VersionContract): Stage {
  const stage = stageOpenClaw(contract.version, contract.controlUi);
  const { controller, openClawDir, directory, write, throughController, onLoopback } = stage;

  describe(`OpenClaw ${contract.version}`, () => {
    it("runs on the configuration as it was written, with the user's part in it", async () => {
      const file = await readFile(gatewayPaths(controller().home).configFile, "utf8");
      const expected = write(USER, controller().home, { discord: false, slack: false });
      expect(JSON.parse(file)).toEqual(expected);
      expect(expected).toMatchObject(USER);
      expect(
        controller().log.filter((line) => /invalid config|unrecognized|auto-restored/i.test(line.message)),
      ).toEqual([]);
    });

    it("accepts the configuration of every channel, and writes nothing into it", async () => {
      const home = join(directory(), "channels");
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
      const { entry } = await findOpenClaw(openClawDir());
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
      const page = await fetch(controller().url, { headers: THROUGH_WORKER });
      expect(page.status).toBe(200);
      expect(await page.text()).toContain("OpenClaw Control");
    });

    it("never sees, logs or stores a token of ours, and shows none of the user's and not the owner's header", async () => {
      (await connected(throughController({}))).close();
      const paths = gatewayPaths(controller().home);
      const log = await readFile(paths.logFile, "utf8");
      const config = await readFile(paths.configFile, "utf8");
      await controller().logged((line) => line.message.includes("channels/telegram"));
      const hidden = [
        GATEWAY_TOKEN,
        PROXY_TOKEN,
        secrets.ownerHeader.slice(-64),
        secrets.password,
        ...Object.values(USER_SECRETS).map((secret) => JSON.stringify(secret).slice(1, -1)),
      ];
      for (const text of hidden)
        for (const place of [log, config, JSON.stringify(controller().log)])
          expect(place).not.toContain(text);
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
      const origin = given === "gateway" ? controller().gatewayUrl : given;
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
        { origin: controller().gatewayUrl },
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
        url: controller().gatewayUrl,
        client: { id: "gateway-client", mode: "backend" },
        ...contract.ownProgram,
      }),
    );
    expect(await backend.call("config.get")).toMatchObject({ exists: true });
    expect(await backend.call("device.pair.list")).toMatchObject({ paired: expect.any(Array) });
    backend.close();
  });

  return stage;
}
