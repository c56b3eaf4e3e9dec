import { newMachine, withFound, withOwnApp } from "./changes.ts";
import type { Outcome } from "./outcome.ts";
import { VOLUME_SIZE_GB } from "./sizes.ts";
import { type Given, type InstanceState, INVENTORY_AFTER_MS, type Settings } from "./state.ts";
import type { Step } from "./step.ts";

type Found = Omit<Extract<Outcome, { kind: "recovered" }>, "kind">;

/** The record with what was found in the place of what was lost; a wish that came meanwhile stands. */
export function withRecovered(
  state: InstanceState,
  step: Extract<Step, { kind: "recover" }>,
  { settings, keyVersion, size, generation: had }: Found,
  now: number,
): InstanceState {
  const { machineId, volume, intent } = step;
  const known =
    settings === null
      ? state.settings
      : fillSettings(state.settings, settings, new Set(state.recovery?.given));
  const isChanged = settings !== null && JSON.stringify(known) !== JSON.stringify(settings);
  const isNewer = isChanged || state.generation > 1;
  const generation = (had ?? state.generation) + (isNewer ? 1 : 0);
  const found: InstanceState = {
    ...withOwnApp(state, keyVersion === null ? {} : { keyVersion }),
    recovery: null,
    doubtful: true,
    inventoryAt: now + INVENTORY_AFTER_MS,
    settings: known,
    settingsLost: machineId !== null && settings === null && !isWished(state.settings),
    machineSize: state.sizeWished ? state.machineSize : (size ?? state.machineSize),
    generation,
    settingsOnlySince: generation,
    intent: state.recovery?.adoptsIntent === true ? (intent ?? state.intent) : state.intent,
    machine: machineId === null ? null : { ...newMachine(machineId, now), seen: true },
    volume:
      volume === null
        ? null
        : {
            ...volume,
            region: volume.region === "" ? (state.regions[0] ?? "") : volume.region,
            sizeGb: VOLUME_SIZE_GB,
            createdAt: now,
            seen: true,
            missing: null,
            deleted: false,
            goneHolder: null,
          },
  };
  return withFound(found, step.others, now);
}

/** What a newer wish says stands; what it leaves open is as the machine had it. */
function fillSettings(wished: Settings, had: Settings, given: ReadonlySet<Given>): Settings {
  const whole = (name: "envVars" | "encryptedSecrets") =>
    given.has(name) ? wished[name] : { ...had[name], ...wished[name] };
  const token = (name: keyof Settings["channels"]) =>
    given.has(name) ? wished.channels[name] : (wished.channels[name] ?? had.channels[name]);
  const field = <Name extends "kilocodeApiKey" | "kilocodeDefaultModel">(name: Name) =>
    given.has(name) ? wished[name] : (wished[name] ?? had[name]);
  return {
    envVars: whole("envVars"),
    encryptedSecrets: whole("encryptedSecrets"),
    kilocodeApiKey: field("kilocodeApiKey"),
    kilocodeDefaultModel: field("kilocodeDefaultModel"),
    channels: {
      telegramBotToken: token("telegramBotToken"),
      discordBotToken: token("discordBotToken"),
      slackBotToken: token("slackBotToken"),
      slackAppToken: token("slackAppToken"),
    },
  };
}

function isWished(settings: Settings): boolean {
  const { envVars, encryptedSecrets, kilocodeApiKey, kilocodeDefaultModel, channels } = settings;
  const values = [kilocodeApiKey, kilocodeDefaultModel, ...Object.values(channels)];
  const variables = Object.keys(envVars).length + Object.keys(encryptedSecrets).length;
  return variables > 0 || values.some((value) => value !== null);
}
