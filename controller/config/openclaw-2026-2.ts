import { applyAccess } from "./access.ts";
import { applyChannels } from "./channels.ts";
import type { JsonObject } from "./json.ts";
import {
  COMMON_SETTINGS,
  commonDefaults,
  withDefaults,
  withSettings,
  type ManagedInputs,
} from "./managed.ts";
import { applyModel } from "./model.ts";
import { byName, byVariable } from "./references.ts";

/**
 * The user's configuration with our part put in, for OpenClaw 2026.2.
 *
 * This version lets a proxied Control UI in by its header alone, with every scope, and nobody who comes to loopback directly,
 * with a password or without; so there is none (openclaw-gateway.md §3.3).
 */
export function applyTo2026Dot2(user: JsonObject, inputs: ManagedInputs): JsonObject {
  let config = applyAccess(user, inputs, { auth: {}, trustedProxy: {}, settings: [] });
  config = withSettings(config, COMMON_SETTINGS);
  config = withDefaults(config, commonDefaults(inputs));
  // Merged, the first key and the first address would stay in its `models.json`, and this address would win (its
  // docs/gateway/configuration-reference.md; measured).
  config = applyModel(config, inputs.model, { reference: byName, mode: "replace" });
  return applyChannels(config, inputs.channels, { reference: byVariable, plugins: [] });
}
