import { OWNER_IDENTITY } from "../secrets.ts";
import type { ChannelTokens } from "../settings.ts";
import {
  isObject,
  valueAt,
  without,
  withDefault,
  withValue,
  type Json,
  type JsonObject,
  type Path,
} from "./json.ts";

/** What our part of the gateway's configuration is made from. */
export interface ManagedInputs {
  readonly gatewayPort: number;
  readonly allowedOrigins: readonly string[];
  readonly model: { readonly baseUrl: string; readonly id: string } | null;
  readonly channels: ChannelTokens;
  readonly workspace: string;
  readonly logFile: string;
}

/**
 * Names of the gateway's environment variables that its configuration refers to. The file holds the names
 * only; OpenClaw puts in the values when it loads it.
 */
export const ENV_OWNER_HEADER = "OPENCLAW_KILOCLAW_OWNER_HEADER";
export const ENV_PASSWORD = "OPENCLAW_GATEWAY_PASSWORD";

const PROVIDER = "kilocode";
const PROVIDER_KEY = "${KILOCODE_API_KEY}";
/** What the models behind the Kilo gateway have at least, where the provider does not say more. */
const CONTEXT_WINDOW_TOKENS = 200_000;
const ANSWER_TOKENS_MAX = 8_192;

/**
 * The user's configuration with our part put in, for OpenClaw 2026.9.
 *
 * How the owner gets in: the controller is OpenClaw's trusted proxy, and the owner's browser is approved by
 * the header that only the controller can send. Nobody else is approved silently: not a process on loopback,
 * not a device that another proxy vouches for, not a node. See OpenClaw's docs/gateway/trusted-proxy-auth.md.
 *
 * What decides about access is ours and set at every start; the rest is a default that the user may change.
 */
export function applyTo2026Dot9(user: JsonObject, inputs: ManagedInputs): JsonObject {
  let config = applyAccess(user, inputs);
  config = applyDefaults(config, inputs);
  config = applyModel(config, inputs.model);
  config = applyChannel(config, "telegram", inputs.channels.telegram, { botToken: "${TELEGRAM_BOT_TOKEN}" });
  // OpenClaw 2026.9 has these two as plugins of their own, which it installs at the first start with them:
  // half a minute and 70 MB, or more than a minute of waiting where the registry is out of reach. The user
  // asked for the channel, so the start waits; health says `starting` meanwhile.
  config = applyPluginChannel(config, "discord", inputs.channels.discord, { token: "${DISCORD_BOT_TOKEN}" });
  config = applyPluginChannel(config, "slack", inputs.channels.slack, {
    botToken: "${SLACK_BOT_TOKEN}",
    appToken: "${SLACK_APP_TOKEN}",
  });
  return config;
}

function applyAccess(user: JsonObject, inputs: ManagedInputs): JsonObject {
  const rateLimit = valueAt(user, ["gateway", "auth", "rateLimit"]);
  const set: readonly (readonly [Path, Json])[] = [
    [["gateway", "mode"], "local"],
    [["gateway", "port"], inputs.gatewayPort],
    [["gateway", "bind"], "loopback"],
    [
      ["gateway", "auth"],
      {
        mode: "trusted-proxy",
        password: `\${${ENV_PASSWORD}}`,
        allowTailscale: false,
        identityScopes: { [OWNER_IDENTITY]: ["operator.admin"] },
        trustedProxy: {
          userHeader: `\${${ENV_OWNER_HEADER}}`,
          allowUsers: [OWNER_IDENTITY],
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
        ...(rateLimit === undefined ? {} : { rateLimit }),
      },
    ],
    [
      ["gateway", "trustedProxies"],
      ["127.0.0.1/32", "::1/128"],
    ],
    [["gateway", "controlUi", "enabled"], true],
    [["gateway", "controlUi", "allowedOrigins"], [...inputs.allowedOrigins]],
    [["gateway", "terminal", "enabled"], false],
    [["gateway", "nodes", "pairing"], { autoApproveLocal: false, sshVerify: false }],
    [["discovery", "mdns", "mode"], "off"],
    [["update", "checkOnStart"], false],
  ];
  const drop: readonly Path[] = [
    ["gateway", "allowRealIpFallback"],
    ["gateway", "controlUi", "basePath"],
    ["gateway", "controlUi", "dangerouslyAllowHostHeaderOriginFallback"],
    ["gateway", "customBindHost"],
    ["gateway", "tailscale"],
    ["gateway", "tls"],
  ];
  const kept = drop.reduce(without, user);
  return set.reduce((config, [path, value]) => withValue(config, path, value), kept);
}

function applyDefaults(user: JsonObject, inputs: ManagedInputs): JsonObject {
  const defaults: readonly (readonly [Path, Json])[] = [
    [["agents", "defaults", "workspace"], inputs.workspace],
    // A heartbeat is a model call every half hour, at the user's cost.
    [["agents", "defaults", "heartbeat", "every"], "0m"],
    [["browser", "enabled"], false],
    [["logging", "file"], inputs.logFile],
    [["telemetry", "enabled"], false],
    // Without this OpenClaw installs its own plugin for the provider from the npm registry before it listens,
    // as soon as it sees KILOCODE_API_KEY or the provider's name. The configuration below needs no plugin.
    [["plugins", "entries", PROVIDER, "enabled"], false],
  ];
  return defaults.reduce((config, [path, value]) => withDefault(config, path, value), user);
}

function applyModel(user: JsonObject, model: ManagedInputs["model"]): JsonObject {
  const provider: Path = ["models", "providers", PROVIDER];
  const chosen = primaryModel(user);
  const chosenIsOurs = chosen?.startsWith(`${PROVIDER}/`) ?? false;
  if (model === null) {
    const isOurs = valueAt(user, [...provider, "apiKey"]) === PROVIDER_KEY;
    if (!isOurs) return user;
    const config = without(user, provider);
    return chosenIsOurs ? withoutPrimaryModel(config) : config;
  }
  const known = valueAt(user, [...provider, "models"]);
  const models = Array.isArray(known) ? known : [];
  const entry = models.find((item) => isObject(item) && item["id"] === model.id) ?? {
    id: model.id,
    name: model.id,
    contextWindow: CONTEXT_WINDOW_TOKENS,
    maxTokens: ANSWER_TOKENS_MAX,
  };
  const others = models.filter((item) => !(isObject(item) && item["id"] === model.id));
  let config = withDefault(user, ["models", "mode"], "merge");
  config = withValue(config, [...provider, "baseUrl"], model.baseUrl);
  config = withValue(config, [...provider, "apiKey"], PROVIDER_KEY);
  config = withValue(config, [...provider, "api"], "openai-completions");
  config = withValue(config, [...provider, "models"], [entry, ...others]);
  return chosen === null || chosenIsOurs ? withPrimaryModel(config, `${PROVIDER}/${model.id}`) : config;
}

const MODEL: Path = ["agents", "defaults", "model"];

/** OpenClaw takes `agents.defaults.model` as a name or as an object with `primary` and `fallbacks`. */
function primaryModel(config: JsonObject): string | null {
  const model = valueAt(config, MODEL);
  const primary = isObject(model) ? model["primary"] : model;
  return typeof primary === "string" ? primary : null;
}

function withPrimaryModel(config: JsonObject, name: string): JsonObject {
  return withValue(config, [...MODEL, "primary"], name);
}

function withoutPrimaryModel(config: JsonObject): JsonObject {
  return isObject(valueAt(config, MODEL)) ? without(config, [...MODEL, "primary"]) : without(config, MODEL);
}

function applyChannel(
  user: JsonObject,
  name: string,
  isWanted: boolean,
  tokens: Record<string, string>,
): JsonObject {
  const channel: Path = ["channels", name];
  if (!isWanted) {
    const isOurs = Object.entries(tokens).some(([key, value]) => valueAt(user, [...channel, key]) === value);
    return isOurs ? without(user, channel) : user;
  }
  const wired = Object.entries(tokens).reduce(
    (config, [key, value]) => withValue(config, [...channel, key], value),
    user,
  );
  return withDefault(withDefault(wired, [...channel, "enabled"], true), [...channel, "dmPolicy"], "pairing");
}

function applyPluginChannel(
  user: JsonObject,
  name: string,
  isWanted: boolean,
  tokens: Record<string, string>,
): JsonObject {
  const config = applyChannel(user, name, isWanted, tokens);
  const plugin: Path = ["plugins", "entries", name, "enabled"];
  if (isWanted) return withDefault(config, plugin, true);
  return config === user ? user : without(config, plugin);
}
