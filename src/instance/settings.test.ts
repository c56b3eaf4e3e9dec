import { describe, expect, it } from "vitest";
import {
  isTooLarge,
  mergeSettings,
  NO_SETTINGS,
  patchSettings,
  rotate,
  takeOver,
  type Wished,
} from "./settings.ts";
import type { InstanceState, Settings } from "./state.ts";
import { HOUR_MS, NOW, ownAppAt, ranAs, record } from "./testing/records.ts";

const known = {
  ...NO_SETTINGS,
  envVars: { A: "1" },
  kilocodeApiKey: "key",
  channels: { ...NO_SETTINGS.channels, telegramBotToken: "t" },
};

it("keeps what is absent, removes what is null, and sets what has a value", () => {
  expect(mergeSettings(known, {})).toEqual(known);
  const removed = mergeSettings(known, {
    kilocodeApiKey: null,
    channels: { telegramBotToken: null },
  });
  expect(removed).toEqual({ ...NO_SETTINGS, envVars: { A: "1" } });
  const set = mergeSettings(known, {
    channels: { discordBotToken: "d" },
    kilocodeDefaultModel: "m",
  });
  expect(set).toMatchObject({
    kilocodeDefaultModel: "m",
    channels: { telegramBotToken: "t", discordBotToken: "d" },
  });
});

it("takes variables as a whole, and equal ones for equal in any order", () => {
  const merged = mergeSettings(known, { envVars: { C: "3", B: "2" } });
  expect(JSON.stringify(merged.envVars)).toBe('{"B":"2","C":"3"}');
});

describe("a token that an older record has under its variable's name", () => {
  const sealed = { encrypted: "jwe" };
  const older = {
    ...NO_SETTINGS,
    envVars: { A: "1", DISCORD_BOT_TOKEN: "d", SLACK_BOT_TOKEN: "old", KILOCODE_DEFAULT_MODEL: "m" },
    encryptedSecrets: { TELEGRAM_BOT_TOKEN: "jwe", KILOCODE_API_KEY: "jwe" },
    channels: { ...NO_SETTINGS.channels, slackBotToken: "new" },
  };
  const moved = {
    envVars: { A: "1" },
    encryptedSecrets: {},
    kilocodeApiKey: sealed,
    kilocodeDefaultModel: "m",
    channels: {
      telegramBotToken: sealed,
      discordBotToken: "d",
      slackBotToken: "new",
      slackAppToken: null,
    },
  };

  it("is as well that of its field, which wins", () => {
    expect(mergeSettings(older, {})).toEqual(moved);
    expect(patchSettings(older, {})).toEqual(moved);
  });

  it("goes with its field, by its name, and with the whole that it is in", () => {
    const channels = { telegramBotToken: null, discordBotToken: null };
    const removed = mergeSettings(older, { channels, kilocodeApiKey: null, kilocodeDefaultModel: null });
    expect(removed).toEqual({ ...NO_SETTINGS, envVars: { A: "1" }, channels: older.channels });
    const named = patchSettings(older, { encryptedSecrets: { TELEGRAM_BOT_TOKEN: null } });
    expect(named.channels.telegramBotToken).toBeNull();
    const whole = mergeSettings(older, { envVars: {}, encryptedSecrets: {} });
    expect(whole).toEqual({ ...NO_SETTINGS, channels: older.channels });
  });

  it("stays where it is when it is a sealed model, until a model is set or removed", () => {
    const known = { ...NO_SETTINGS, encryptedSecrets: { KILOCODE_DEFAULT_MODEL: "jwe" } };
    expect(mergeSettings(known, {})).toEqual(known);
    expect(mergeSettings(known, { kilocodeDefaultModel: null })).toEqual(NO_SETTINGS);
    expect(mergeSettings(known, { kilocodeDefaultModel: "m" })).toEqual({
      ...NO_SETTINGS,
      kilocodeDefaultModel: "m",
    });
  });
});

it("makes a new generation of changed settings only, and brings a running machine up with it", () => {
  const state = record({ status: "running", settings: known });
  const wished = { machineSize: state.machineSize, sizeWished: false, fingerprint: "f2", isCurrent: false };
  const take = (settings: typeof known) => takeOver(state, { ...wished, settings }, NOW + 1);
  expect(take(known)).toBe(state);
  expect(take({ ...known, kilocodeApiKey: "other" })).toMatchObject({
    generation: 2,
    epoch: 2,
    fingerprint: "f2",
    status: "starting",
    statusSince: NOW + 1,
  });
  const stopped = record({ status: "stopped" });
  const larger = { ...stopped.machineSize, memoryMb: 4_096 };
  expect(
    takeOver(stopped, { ...wished, machineSize: larger, sizeWished: true, settings: stopped.settings }, NOW),
  ).toMatchObject({
    generation: 2,
    status: "stopped",
    machineSize: larger,
    sizeWished: true,
  });
});

describe("settings that are changed, and nothing else", () => {
  const able = ranAs({ said: { controller: "1.0.0", openclaw: null, capabilities: ["env"] } });
  const state = record({
    status: "running",
    generation: 5,
    settingsOnlySince: 4,
    settings: known,
    ran: able,
  });
  const take = (fields: Partial<InstanceState>, wished: Partial<Wished> = {}) =>
    takeOver(
      { ...state, ...fields },
      {
        machineSize: state.machineSize,
        sizeWished: false,
        settings: { ...known, kilocodeApiKey: "other" },
        fingerprint: "f6",
        isCurrent: true,
        ...wished,
      },
      NOW + 1,
    );

  it("are taken over by a machine that runs, and it stays that", () => {
    expect(take({})).toMatchObject({ status: "running", generation: 6, settingsOnlySince: 4, epoch: 2 });
    // Whether it can is not known yet, and is no reason to cut anybody off.
    expect(take({ ran: null })).toMatchObject({ status: "running", settingsOnlySince: 4 });
  });

  it("bring it down for a moment where its controller can't do that", () => {
    expect(take({ ran: ranAs() })).toMatchObject({ status: "starting", settingsOnlySince: 4 });
  });

  it("are not all where the size is another, or the machine would be made otherwise by now", () => {
    const machineSize = { ...state.machineSize, memoryMb: 8_192 };
    for (const wished of [{ machineSize }, { isCurrent: false }]) {
      expect(take({}, wished)).toMatchObject({ status: "starting", generation: 6, settingsOnlySince: 6 });
    }
    expect(take({ settingsLost: true })).toMatchObject({ status: "starting", settingsOnlySince: 6 });
  });

  it("are tried anew, however often the ones before were", () => {
    const before = {
      applying: { generation: 5, tries: 2 },
      unanswered: { questions: 9, againAt: NOW + HOUR_MS },
    };
    expect(take(before)).toMatchObject({ applying: null, unanswered: null });
  });
});

it("ends with changed settings what was only there to protect Fly from repetition", () => {
  const state = record({ failures: 4, retryAt: NOW + 60_000, bringUps: [NOW], capacityTries: 3 });
  const settings = { ...state.settings, kilocodeDefaultModel: "other" };
  const wished = {
    machineSize: state.machineSize,
    sizeWished: false,
    settings,
    fingerprint: "f2",
    isCurrent: false,
  };
  expect(takeOver(state, wished, NOW)).toMatchObject({
    failures: 0,
    retryAt: null,
    bringUps: [],
    capacityTries: 0,
    lastError: null,
  });
});

it("changes single secrets by their names, and keeps the others", () => {
  const had = { ...known, encryptedSecrets: { A: "a", C: "c" } };
  const patched = patchSettings(had, { encryptedSecrets: { A: null, B: "b" }, kilocodeApiKey: null });
  expect(patched).toEqual({ ...known, encryptedSecrets: { B: "b", C: "c" }, kilocodeApiKey: null });
  expect(patchSettings(had, {})).toEqual(had);
});

it("bounds all settings together", () => {
  const many = (count: number, value: string) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`V${n}`, value]));
  expect(isTooLarge({ ...NO_SETTINGS, envVars: many(100, "v"), encryptedSecrets: many(100, "s") })).toBe(
    false,
  );
  expect(isTooLarge({ ...NO_SETTINGS, envVars: many(100, "v"), encryptedSecrets: many(101, "s") })).toBe(
    true,
  );
  expect(isTooLarge({ ...NO_SETTINGS, envVars: many(30, "日".repeat(5_000)) })).toBe(false);
  expect(isTooLarge({ ...NO_SETTINGS, envVars: many(40, "日".repeat(5_000)) })).toBe(true);
});

const fingerprintFor = (settings: Settings) => JSON.stringify(settings);
const resealed = { ...known, encryptedSecrets: { A: "anew" } };

it("makes a new generation of new keys, for which the app is given its secret again", () => {
  const ownApp = ownAppAt("ready", { keyVersion: 3, secretsVersion: 12 });
  const running = record({ status: "running", settings: known, ownApp });
  expect(rotate(running, resealed, fingerprintFor, NOW)).toMatchObject({
    settings: resealed,
    status: "starting",
    generation: 2,
    fingerprint: fingerprintFor(resealed),
    ownApp: { stage: "created", keyVersion: 4, secretsVersion: null },
  });
  const unmade = record({ settings: known, ownApp: ownAppAt("wanted") });
  expect(rotate(unmade, resealed, fingerprintFor, NOW)).toMatchObject({
    status: "provisioned",
    ownApp: { stage: "wanted", keyVersion: 2 },
  });
});

it("changes nothing for a machine in an app that all share, and hides nothing that it lacks", () => {
  const upToDate = record({ status: "running", settings: known, fingerprint: fingerprintFor(known) });
  expect(rotate(upToDate, resealed, fingerprintFor, NOW)).toEqual({
    ...upToDate,
    settings: resealed,
    fingerprint: fingerprintFor(resealed),
  });
  const behind = { ...upToDate, fingerprint: "older" };
  expect(rotate(behind, resealed, fingerprintFor, NOW)).toEqual({ ...behind, settings: resealed });
});
