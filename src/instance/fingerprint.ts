import { createHash } from "node:crypto";
import type { MachineDefaults } from "./machine-request.ts";
import type { InstanceState, MachineSize, Settings } from "./state.ts";

/**
 * A fingerprint (SHA-256, hex) of all that a machine is configured with beside its identity. Equal fingerprints mean that
 * an update would change nothing; it tells nothing of the secrets in the settings. Synchronous, unlike WebCrypto: between
 * reading a record and writing it, nothing may come in between.
 */
export function fingerprintOf(defaults: MachineDefaults, size: MachineSize, settings: Settings): string {
  const text = JSON.stringify([defaults.image, defaults.allowedOrigins, size, settings]);
  return createHash("sha256").update(text).digest("hex");
}

/** Whether a machine that was made for the newest generation would be made just so again. */
export function isMadeSo(
  defaults: MachineDefaults,
  { machineSize, settings, fingerprint }: Pick<InstanceState, "machineSize" | "settings" | "fingerprint">,
): boolean {
  return fingerprintOf(defaults, machineSize, settings) === fingerprint;
}
