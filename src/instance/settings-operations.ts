import { fingerprintOf, isMadeSo } from "./fingerprint.ts";
import type { LoopPorts } from "./loop.ts";
import type {
  OperationResult,
  Refusal,
  SettingsPatch,
  SettingsRefusal,
  SettingsResult,
} from "./operations.ts";
import { admitSecrets, resealSecrets, withSeals } from "./secrets.ts";
import { isTooLarge, patchSettings, rotate, takeOver } from "./settings.ts";
import type { InstanceState, Settings } from "./state.ts";

/** The record of an instance that the registry knows and the object has lost, or why there is none. */
export type Lost =
  | { kind: "lost"; state: InstanceState }
  | { kind: "not_provisioned" }
  | { kind: "registry_unreachable" };

type Parts = {
  /** Stores the record and runs the loop. */
  operate: (name: string, next: InstanceState) => Promise<OperationResult>;
  /** Looks for a record that was lost. */
  find: (userId: string) => Promise<Lost>;
};

export type SettingsOperations = {
  /** Changes the settings of an instance that exists; one that runs takes them over, one that is stopped stays so. */
  configure(userId: string, patch: SettingsPatch): Promise<SettingsResult>;
  /**
   * Seals the stored secrets for the Worker's current key, and gives the tenant's environment a new key of its own. One that
   * runs is restarted by that where it has an app of its own; one that is stopped stays so.
   */
  rotate(userId: string): Promise<SettingsResult>;
};

/** The operations that change what an instance is configured with, and not whether it runs. */
export function createSettingsOperations(
  {
    storage,
    clock,
    secretBox,
    machineDefaults,
  }: Pick<LoopPorts, "storage" | "clock" | "secretBox" | "machineDefaults">,
  { operate, find }: Parts,
): SettingsOperations {
  /** The record of an instance that exists and whose settings are known, looked for where it was lost. */
  const known = async (userId: string, name: string): Promise<InstanceState | Refusal | SettingsRefusal> => {
    const found = storage.load() === null ? await find(userId) : null;
    if (storage.load() === null) {
      if (found?.kind !== "lost") return found ?? { kind: "not_provisioned" };
      await operate(name, found.state);
    }
    const state = storage.load();
    if (state === null) return { kind: "not_provisioned" };
    if (state.intent === "destroyed") return { kind: "destroying" };
    if (state.recovery !== null) return { kind: "recovering" };
    return state.settingsLost ? { kind: "settings_lost" } : state;
  };

  const configure = async (userId: string, patch: SettingsPatch): Promise<SettingsResult> => {
    const found = await known(userId, "configure");
    if ("kind" in found) return found;
    const admission = await admitSecrets(patch, found.settings, userId, secretBox);
    if (admission.kind !== "admitted") return admission;
    // From here to the write nothing is awaited; what another operation did meanwhile is built on.
    const state = storage.load();
    if (state === null) return { kind: "not_provisioned" };
    if (state.intent === "destroyed") return { kind: "destroying" };
    const settings = withSeals(patchSettings(state.settings, patch), admission.seals);
    if (isTooLarge(settings)) return { kind: "settings_too_large" };
    const { machineSize } = state;
    const fingerprint = fingerprintOf(machineDefaults, machineSize, settings);
    return operate(
      "configure",
      takeOver(
        state,
        {
          machineSize,
          sizeWished: false,
          settings,
          fingerprint,
          isCurrent: isMadeSo(machineDefaults, state),
        },
        clock.now(),
      ),
    );
  };

  const rotateKeys = async (userId: string): Promise<SettingsResult> => {
    const found = await known(userId, "rotate");
    if ("kind" in found) return found;
    const resealed = await resealSecrets(found.settings, userId, secretBox);
    if (resealed.kind !== "resealed") return resealed;
    // From here to the write nothing is awaited; what was set meanwhile is sealed for the current key already.
    const state = storage.load();
    if (state === null) return { kind: "not_provisioned" };
    if (state.intent === "destroyed") return { kind: "destroying" };
    const fingerprintFor = (settings: Settings): string =>
      fingerprintOf(machineDefaults, state.machineSize, settings);
    const settings = withSeals(state.settings, resealed.seals);
    return operate("rotate", rotate(state, settings, fingerprintFor, clock.now()));
  };

  return { configure, rotate: rotateKeys };
}
