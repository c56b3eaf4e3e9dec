import { describe, expect, it } from "vitest";
import type { EnvUpdate } from "../src/gateway/wire.ts";
import { createLiveSettings, type LiveSettings, type Now } from "./live-settings.ts";
import { secretValuesIn } from "./secrets.ts";
import { readSettings } from "./settings.ts";
import type { StoredSettings } from "./stored-settings.ts";

const MACHINE = {
  PATH: "/bin",
  KILOCLAW_SANDBOX_ID: "sandbox-1",
  KILOCLAW_GATEWAY_TOKEN: "a1".repeat(32),
  KILOCLAW_PROXY_TOKEN: "b2".repeat(32),
  OPENCLAW_ALLOWED_ORIGINS: "https://claw.kilo.ai",
  KILOCLAW_GENERATION: "7",
};

interface Stage {
  readonly live: LiveSettings;
  readonly stored: StoredSettings[];
  readonly brought: (readonly [Now, Now])[];
  readonly hidden: string[];
}

function stage(env: Record<string, string>, fail: { store?: boolean; wait?: Promise<void> } = {}): Stage {
  const read = readSettings(env);
  if (!read.ok) throw new Error(read.problems.join());
  const stored: StoredSettings[] = [];
  const brought: (readonly [Now, Now])[] = [];
  const hidden: string[] = [];
  const live = createLiveSettings({
    env,
    settings: read.settings,
    store: async (settings) => {
      if (fail.store === true) throw new Error("the disk is full");
      stored.push(settings);
    },
    onChange: (next) => hidden.push(...secretValuesIn(next)),
    bring: async (before, next) => {
      brought.push([before, next]);
      await fail.wait;
      return { how: "hot", inEffect: true };
    },
  });
  return { live, stored, brought, hidden };
}

const update = (generation: number, settings: Record<string, string>): EnvUpdate => ({
  generation,
  settings,
  stored: { ...settings, SEALED: "as it came" },
});

it("takes the tenant's settings from the machine's environment at first", () => {
  const { live } = stage({ ...MACHINE, MINE: "1", TELEGRAM_BOT_TOKEN: "t", EMPTY: "" });
  expect(live.now().variables).toEqual({ MINE: "1", TELEGRAM_BOT_TOKEN: "t" });
  expect(live.now().settings.channels).toEqual({ telegram: true, discord: false, slack: false });
});

it("replaces all of them, keeps what is the machine's, and stores them as they came", async () => {
  const { live, stored, brought, hidden } = stage({ ...MACHINE, MINE: "1", TELEGRAM_BOT_TOKEN: "t" });
  const settings = {
    DISCORD_BOT_TOKEN: "d",
    PHRASE: "of the user",
    KILOCLAW_SECRET_NAMES: "PHRASE",
    PATH: "/evil",
    KILOCLAW_GATEWAY_TOKEN: "forged",
  };
  expect(await live.update(update(8, settings))).toEqual({
    kind: "applied",
    applied: { generation: 8, how: "hot", inEffect: true },
  });
  expect(live.now()).toMatchObject({
    variables: { DISCORD_BOT_TOKEN: "d", PHRASE: "of the user" },
    settings: { channels: { telegram: false, discord: true, slack: false } },
    env: { ...MACHINE, KILOCLAW_GENERATION: "8", DISCORD_BOT_TOKEN: "d" },
  });
  expect(live.now().env).not.toHaveProperty("MINE");
  expect(stored).toEqual([{ generation: 8, variables: { ...settings, SEALED: "as it came" } }]);
  expect(brought.map(([before]) => before.variables)).toEqual([{ MINE: "1", TELEGRAM_BOT_TOKEN: "t" }]);
  expect(hidden).toEqual(expect.arrayContaining(["d", "of the user"]));
});

it("takes no older generation, and the same one again", async () => {
  const { live, brought } = stage(MACHINE);
  expect(await live.update(update(6, { MINE: "old" }))).toEqual({ kind: "stale" });
  expect(await live.update(update(9, { MINE: "new" }))).toMatchObject({ kind: "applied" });
  expect(await live.update(update(8, { MINE: "between" }))).toEqual({ kind: "stale" });
  expect(await live.update(update(9, { MINE: "new" }))).toMatchObject({ kind: "applied" });
  expect(brought).toHaveLength(2);
  expect(live.now().variables).toEqual({ MINE: "new" });
});

describe("a setting of a name that the image sets too", () => {
  const image = { ...MACHINE, LANG: "C.UTF-8", TZ: "UTC" };

  it("takes the place of the image's, which is there again without it", async () => {
    const { live, brought } = stage({ ...image, MINE: "1" });
    expect(live.now().variables).toEqual({ MINE: "1" });
    expect(await live.update(update(8, { MINE: "1", TZ: "Europe/Berlin", LC_ALL: "de_DE" }))).toMatchObject({
      kind: "applied",
    });
    expect(live.now().variables).toEqual({ MINE: "1", TZ: "Europe/Berlin", LC_ALL: "de_DE" });
    expect(live.now().env).toMatchObject({ TZ: "Europe/Berlin", LC_ALL: "de_DE", LANG: "C.UTF-8" });
    expect(await live.update(update(9, { MINE: "1" }))).toMatchObject({ kind: "applied" });
    expect(live.now().variables).toEqual({ MINE: "1" });
    expect(live.now().env).toEqual({ ...image, KILOCLAW_GENERATION: "9", MINE: "1" });
    expect(brought).toHaveLength(2);
  });

  it("can be another one live where the machine began with it, and not none, since it hides the image's", async () => {
    const { live, stored } = stage({ ...image, TZ: "Asia/Tokyo", KILOCLAW_SETTING_NAMES: "TZ,MINE" });
    expect(live.now().variables).toEqual({ TZ: "Asia/Tokyo" });
    expect(await live.update(update(8, { MINE: "1" }))).toEqual({
      kind: "unusable",
      problems: ["TZ may be the image's again"],
    });
    expect(stored).toEqual([]);
    expect(await live.update(update(8, { TZ: "Europe/Berlin" }))).toMatchObject({ kind: "applied" });
    expect(live.now().env).toMatchObject({ TZ: "Europe/Berlin", LANG: "C.UTF-8" });
  });
});

it("changes nothing for settings that can't be used, and says which", async () => {
  const { live, stored } = stage({ ...MACHINE, MINE: "1" });
  expect(await live.update(update(8, { KILOCODE_DEFAULT_MODEL: "no model" }))).toEqual({
    kind: "unusable",
    problems: ["KILOCODE_DEFAULT_MODEL is unusable"],
  });
  expect(live.now().variables).toEqual({ MINE: "1" });
  expect(stored).toEqual([]);
  expect(await live.update(update(8, { MINE: "2" }))).toMatchObject({ kind: "applied" });
});

it("changes nothing that it could not store, and goes on with the next", async () => {
  const fail = { store: true };
  const { live, brought } = stage({ ...MACHINE, MINE: "1" }, fail);
  expect(await live.update(update(8, { MINE: "2" }))).toEqual({
    kind: "not_stored",
    reason: "the disk is full",
  });
  expect(live.now().variables).toEqual({ MINE: "1" });
  fail.store = false;
  expect(await live.update(update(8, { MINE: "2" }))).toMatchObject({ kind: "applied" });
  expect(brought).toHaveLength(1);
});

it("carries them out one after the other, and lets no more than a few wait", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { live, brought } = stage(MACHINE, { wait: promise });
  const asked = [8, 9, 10, 11, 12].map((generation) => live.update(update(generation, { MINE: "1" })));
  expect(await asked.at(-1)).toEqual({ kind: "busy" });
  await expect.poll(() => brought.length).toBe(1);
  resolve();
  expect((await Promise.all(asked)).map(({ kind }) => kind)).toEqual([
    "applied",
    "applied",
    "applied",
    "applied",
    "busy",
  ]);
});
