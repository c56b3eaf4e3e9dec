import { isDeepStrictEqual } from "node:util";
import { expect, it } from "vitest";
import type { Settings } from "../settings.ts";
import { bringToSettings, type Given, type LiveGateway } from "./live.ts";
import type { JsonObject } from "./json.ts";
import { configWriterFor } from "./versions.ts";

/** A gateway that does with its files what the version does, and what else it is told to. */
interface Imitation {
  readonly gateway: LiveGateway;
  readonly done: string[];
}

interface Behaviour {
  readonly version: string;
  readonly takesNothing?: boolean;
  readonly isStopped?: boolean;
  readonly telegramOfUser?: boolean;
}

function given(variables: Record<string, string>): Given {
  const settings: Settings = {
    sandboxId: "sandbox-1",
    gatewayToken: "a1",
    proxyToken: "b2",
    allowedOrigins: ["https://claw.kilo.ai"],
    model:
      variables["KILOCODE_API_KEY"] === undefined
        ? null
        : {
            baseUrl: "https://models.example/v1",
            id: variables["KILOCODE_DEFAULT_MODEL"] ?? "vendor/default",
          },
    channels: {
      telegram: variables["TELEGRAM_BOT_TOKEN"] !== undefined,
      discord: variables["DISCORD_BOT_TOKEN"] !== undefined,
      slack: false,
    },
  };
  return { variables, settings };
}

function imitate(before: Given, next: Given, behaviour: Behaviour): Imitation {
  const done: string[] = [];
  const isByFile = behaviour.version.startsWith("2026.9");
  const user: JsonObject =
    behaviour.telegramOfUser === true ? { channels: { telegram: { botToken: "their-own" } } } : {};
  const configOf = ({ settings }: Given): JsonObject =>
    configWriterFor(behaviour.version)?.(user, {
      gatewayPort: 1,
      allowedOrigins: settings.allowedOrigins,
      model: settings.model,
      channels: settings.channels,
      workspace: "/w",
      logFile: "/l",
    }) ?? {};
  const environmentOf = ({ variables }: Given): Record<string, string> =>
    Object.fromEntries(
      Object.entries(variables).filter(
        ([name]) => name === "MINE" || (!isByFile && /_(?:KEY|TOKEN)$/.test(name)),
      ),
    );
  let file = before;
  let used = before;
  let environment = environmentOf(before);
  const assignment = (path: string, variable: string, isInUse: boolean): unknown[] =>
    isInUse ? [{ path, value: used.variables[variable] }] : [];
  const answers: Record<string, () => unknown> = {
    "channels.status": () => ({
      channels: {
        telegram: { configured: used.settings.channels.telegram || behaviour.telegramOfUser === true },
        ...(used.settings.channels.discord ? { discord: { configured: true } } : {}),
      },
    }),
    status: () => ({ sessions: { defaults: { model: used.settings.model?.id ?? "other" } } }),
    "secrets.reload": () => {
      if (behaviour.takesNothing !== true) used = file;
      return { ok: true };
    },
    "secrets.resolve": () => ({
      assignments: [
        ...assignment("models.providers.kilocode.apiKey", "KILOCODE_API_KEY", used.settings.model !== null),
        ...assignment("channels.telegram.botToken", "TELEGRAM_BOT_TOKEN", used.settings.channels.telegram),
        ...assignment("channels.discord.token", "DISCORD_BOT_TOKEN", used.settings.channels.discord),
      ],
    }),
  };
  const gateway: LiveGateway = {
    version: () => behaviour.version,
    isRunning: () => behaviour.isStopped !== true,
    async write() {
      done.push("write");
      const isSame = isDeepStrictEqual(configOf(file), configOf(next));
      file = next;
      if (!isSame && behaviour.takesNothing !== true) used = next;
      return isSame ? "unchanged" : "written";
    },
    config: async () => configOf(file),
    async renew() {
      done.push("renew");
      if (behaviour.isStopped === true) return false;
      file = next;
      used = next;
      environment = environmentOf(next);
      return true;
    },
    environmentOfStart: () => environmentOf(next),
    environment: async () => environment,
    async call(method) {
      const answer = answers[method];
      if (answer === undefined || (method.startsWith("secrets.") && !isByFile))
        throw new Error("unknown method");
      return answer();
    },
  };
  return { gateway, done };
}

const bring = (before: Given, next: Given, gateway: LiveGateway): ReturnType<typeof bringToSettings> =>
  bringToSettings(before, next, gateway, { allMs: 1_000, hotMs: 50, renewedMs: 50, unchangedMs: 50 });

const NINE = "2026.9.6";
const TWO = "2026.2.26";
const FULL = { KILOCODE_API_KEY: "key", TELEGRAM_BOT_TOKEN: "token", MINE: "1" };

it.each([
  [NINE, "a key", { KILOCODE_API_KEY: "other" }, "hot"],
  [TWO, "a key", { KILOCODE_API_KEY: "other" }, "gateway_restart"],
  [NINE, "a default model", { KILOCODE_DEFAULT_MODEL: "vendor/other" }, "hot"],
  [TWO, "a default model", { KILOCODE_DEFAULT_MODEL: "vendor/other" }, "hot"],
  [NINE, "a variable", { MINE: "2" }, "gateway_restart"],
  [NINE, "a channel whose plugin comes at a start", { DISCORD_BOT_TOKEN: "d" }, "gateway_restart"],
])("brings %s to %s", async (version, _, change, how) => {
  const [before, next] = [given(FULL), given({ ...FULL, ...change })];
  const { gateway, done } = imitate(before, next, { version });
  expect(await bring(before, next, gateway)).toEqual({ how, inEffect: true });
  expect(done).toEqual([how === "hot" ? "write" : "renew"]);
});

it.each([
  [NINE, "hot"],
  [TWO, "gateway_restart"],
])("takes keys and channels away from %s", async (version, how) => {
  const [before, next] = [given(FULL), given({ MINE: "1" })];
  const { gateway } = imitate(before, next, { version });
  expect(await bring(before, next, gateway)).toEqual({ how, inEffect: true });
});

it("has a process begin anew that does not take up what it could, and says so", async () => {
  const [before, next] = [given(FULL), given({ ...FULL, KILOCODE_API_KEY: "other" })];
  const { gateway, done } = imitate(before, next, { version: NINE, takesNothing: true });
  expect(await bring(before, next, gateway)).toEqual({ how: "gateway_restart", inEffect: true });
  expect(done).toEqual(["write", "renew"]);
});

it("says that nothing has changed only of what is in effect", async () => {
  const all = given(FULL);
  const { gateway, done } = imitate(all, all, { version: NINE });
  expect(await bring(all, all, gateway)).toEqual({ how: "unchanged", inEffect: true });
  const other = imitate(given({ ...FULL, KILOCODE_API_KEY: "other" }), all, {
    version: NINE,
    takesNothing: true,
  });
  expect(await bring(all, all, other.gateway)).toEqual({ how: "unchanged", inEffect: false });
  expect([...done, ...other.done]).toEqual([]);
});

it("leaves one alone that is stopped", async () => {
  const [before, next] = [given(FULL), given({ ...FULL, KILOCODE_API_KEY: "other" })];
  const { gateway } = imitate(before, next, { version: NINE, isStopped: true });
  expect(await bring(before, next, gateway)).toEqual({ how: "gateway_restart", inEffect: false });
});

it("takes a channel that the user set up alone for none of ours", async () => {
  const [before, next] = [given({ MINE: "1" }), given({ MINE: "1", KILOCODE_API_KEY: "key" })];
  const { gateway } = imitate(before, next, { version: NINE, telegramOfUser: true });
  expect(await bring(before, next, gateway)).toEqual({ how: "hot", inEffect: true });
});
