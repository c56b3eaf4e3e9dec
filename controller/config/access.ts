import { OWNER_IDENTITY } from "../secrets.ts";
import { valueAt, without, type JsonObject, type Path } from "./json.ts";
import { ENV_OWNER_HEADER, withSettings, type ManagedInputs, type Setting } from "./managed.ts";

/** What a version has beside what all have. */
export interface AccessOfVersion {
  readonly auth: JsonObject;
  readonly trustedProxy: JsonObject;
  readonly settings: readonly Setting[];
}

/** What would open another way in, or another place than the controller looks for. */
const DROP: readonly Path[] = [
  ["gateway", "allowRealIpFallback"],
  ["gateway", "controlUi", "allowInsecureAuth"],
  ["gateway", "controlUi", "basePath"],
  ["gateway", "controlUi", "dangerouslyAllowHostHeaderOriginFallback"],
  ["gateway", "controlUi", "dangerouslyDisableDeviceAuth"],
  ["gateway", "customBindHost"],
  ["gateway", "tailscale"],
  ["gateway", "tls"],
];

/**
 * Who gets in, and how. It decides about access, so it is ours and set at every start.
 *
 * The controller is OpenClaw's trusted proxy, and the owner's browser is approved by the header that only the controller can
 * send; its name comes from the environment. Nobody else is: not a process on loopback, not a device that another proxy
 * vouches for, not a node. See OpenClaw's docs/gateway/trusted-proxy-auth.md.
 */
export function applyAccess(user: JsonObject, inputs: ManagedInputs, version: AccessOfVersion): JsonObject {
  const rateLimit = valueAt(user, ["gateway", "auth", "rateLimit"]);
  const kept = DROP.reduce(without, user);
  return withSettings(kept, [
    [["gateway", "mode"], "local"],
    [["gateway", "port"], inputs.gatewayPort],
    [["gateway", "bind"], "loopback"],
    [
      ["gateway", "auth"],
      {
        mode: "trusted-proxy",
        allowTailscale: false,
        ...version.auth,
        trustedProxy: {
          userHeader: `\${${ENV_OWNER_HEADER}}`,
          allowUsers: [OWNER_IDENTITY],
          ...version.trustedProxy,
        },
        ...(rateLimit === undefined ? {} : { rateLimit }),
      },
    ],
    [
      ["gateway", "trustedProxies"],
      ["127.0.0.1/32", "::1/128"],
    ],
    [["gateway", "controlUi", "enabled"], true],
    [["gateway", "controlUi", "allowedOrigins"], [...inputs.allowedOrigins]],
    ...version.settings,
  ]);
}
