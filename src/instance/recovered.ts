import { newMachine, withFound, withOwnApp } from "./changes.ts";
import type { Outcome } from "./outcome.ts";
import { VOLUME_SIZE_GB } from "./sizes.ts";
import { type InstanceState, INVENTORY_AFTER_MS, type Settings } from "./state.ts";
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
  const known = settings === null ? state.settings : fillSettings(state.settings, settings);
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
function fillSettings(wished: Settings, had: Settings): Settings {
  return {
    envVars: { ...had.envVars, ...wished.envVars },
    encryptedSecrets: { ...had.encryptedSecrets, ...wished.encryptedSecrets },
    kilocodeApiKey: wished.kilocodeApiKey ?? had.kilocodeApiKey,
    kilocodeDefaultModel: wished.kilocodeDefaultModel ?? had.kilocodeDefaultModel,
    channels: {
      telegramBotToken: wished.channels.telegramBotToken ?? had.channels.telegramBotToken,
      discordBotToken: wished.channels.discordBotToken ?? had.channels.discordBotToken,
      slackBotToken: wished.channels.slackBotToken ?? had.channels.slackBotToken,
      slackAppToken: wished.channels.slackAppToken ?? had.channels.slackAppToken,
    },
  };
}

function isWished(settings: Settings): boolean {
  const { envVars, encryptedSecrets, kilocodeApiKey, kilocodeDefaultModel, channels } = settings;
  const values = [kilocodeApiKey, kilocodeDefaultModel, ...Object.values(channels)];
  const variables = Object.keys(envVars).length + Object.keys(encryptedSecrets).length;
  return variables > 0 || values.some((value) => value !== null);
}
