import type { MachineDefaults } from "./machine-request.ts";
import type { MachineSize, Settings } from "./state.ts";

/**
 * A fingerprint (SHA-256, hex) of all that a machine is configured with beside its identity. Equal fingerprints mean that
 * an update would change nothing; it tells nothing of the secrets in the settings.
 */
export async function fingerprintOf(
  defaults: MachineDefaults,
  size: MachineSize,
  settings: Settings,
): Promise<string> {
  const envVars = Object.entries(settings.envVars).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([defaults.image, defaults.allowedOrigins, size, { ...settings, envVars }]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
