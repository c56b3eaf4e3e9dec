import { expect, it } from "vitest";
import { mergeSettings, NO_SETTINGS, takeOver } from "./settings.ts";
import { NOW, record } from "./testing/records.ts";

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

it("makes a new generation of changed settings only, and brings a running machine up with it", () => {
  const state = record({ status: "running", settings: known });
  const wished = { machineSize: state.machineSize, sizeWished: false, fingerprint: "f2" };
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

it("ends with changed settings what was only there to protect Fly from repetition", () => {
  const state = record({ failures: 4, retryAt: NOW + 60_000, bringUps: [NOW], capacityTries: 3 });
  const settings = { ...state.settings, kilocodeDefaultModel: "other" };
  const wished = { machineSize: state.machineSize, sizeWished: false, settings, fingerprint: "f2" };
  expect(takeOver(state, wished, NOW)).toMatchObject({
    failures: 0,
    retryAt: null,
    bringUps: [],
    capacityTries: 0,
    lastError: null,
  });
});
