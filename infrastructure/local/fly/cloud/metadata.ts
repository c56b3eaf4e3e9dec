import { Refusal } from "../refusal.ts";
import type { Machine } from "../state/model.ts";
import type { Cloud } from "./cloud.ts";

/**
 * Sets the keys with a value and removes those with null or the empty string. There is no new version and no
 * restart, and no lease is needed (contracts/fly-machines-api §4.16). 412 if `machineVersion` is not the current one.
 */
export function changeMetadata(
  cloud: Cloud,
  machine: Machine,
  changes: Readonly<Record<string, string | null>>,
  machineVersion?: string,
): Refusal | undefined {
  if (machineVersion !== undefined && machineVersion !== machine.instanceId) {
    return new Refusal(412, "failed_precondition: machine_version does not match the current version");
  }
  const metadata = new Map(Object.entries(machine.config.metadata ?? {}));
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === "") metadata.delete(key);
    else metadata.set(key, value);
  }
  cloud.store.machines.put({
    ...machine,
    config: { ...machine.config, metadata: Object.fromEntries(metadata) },
    updatedAt: cloud.clock.now(),
  });
  return undefined;
}
