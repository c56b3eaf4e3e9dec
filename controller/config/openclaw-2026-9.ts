import { OWNER_IDENTITY } from "../secrets.ts";
import type { ChannelTokens } from "../settings.ts";
import { applyAccess } from "./access.ts";
import { applyChannels } from "./channels.ts";
import type { JsonObject } from "./json.ts";
import {
  COMMON_SETTINGS,
  commonDefaults,
  ENV_PASSWORD,
  ENV_SECRETS_FILE,
  withDefaults,
  withSettings,
  type ManagedInputs,
} from "./managed.ts";
import { applyModel, PROVIDER } from "./model.ts";
import { byFile, FILE_PROVIDER } from "./references.ts";
import { withoutRetired } from "./retired.ts";

/**
 * Plugins of their own, which OpenClaw installs at the first start with them: half a minute and 70 MB, or more than a minute of
 * waiting where the registry is out of reach. The user asked for the channel, so the start waits; health says `starting` meanwhile.
 */
export const PLUGIN_CHANNELS: readonly (keyof ChannelTokens)[] = ["discord", "slack"];

/** The user's configuration with our part put in, for OpenClaw 2026.9. One that 2026.2 took is brought to its keys first. */
export function applyTo2026Dot9(user: JsonObject, inputs: ManagedInputs): JsonObject {
  let config = applyAccess(withoutRetired(user), inputs, {
    auth: {
      // For this controller and the OpenClaw CLI, which come directly and not through the proxy.
      password: `\${${ENV_PASSWORD}}`,
      identityScopes: { [OWNER_IDENTITY]: ["operator.admin"] },
    },
    trustedProxy: {
      allowLoopback: true,
      // A browser's lasting grant stops short of admin, which each connection gets from its identity.
      deviceAutoApprove: {
        enabled: true,
        scopes: [
          "operator.read",
          "operator.write",
          "operator.approvals",
          "operator.pairing",
          "operator.questions",
        ],
      },
    },
    settings: [
      [["gateway", "terminal", "enabled"], false],
      [["gateway", "nodes", "pairing"], { autoApproveLocal: false, sshVerify: false }],
    ],
  });
  config = withSettings(config, COMMON_SETTINGS);
  config = withDefaults(config, [
    ...commonDefaults(inputs),
    [["telemetry", "enabled"], false],
    // Without this OpenClaw installs its own plugin for the provider from the npm registry before it listens,
    // as soon as it sees KILOCODE_API_KEY or the provider's name. The configuration below needs no plugin.
    [["plugins", "entries", PROVIDER, "enabled"], false],
  ]);
  config = withSettings(config, [
    [
      ["secrets", "providers", FILE_PROVIDER],
      { source: "file", path: `\${${ENV_SECRETS_FILE}}`, mode: "json" },
    ],
  ]);
  config = applyModel(config, inputs.model, { reference: byFile, mode: "merge" });
  return applyChannels(config, inputs.channels, { reference: byFile, plugins: PLUGIN_CHANNELS });
}
