import type { ChannelTokens } from "../settings.ts";
import { refersTo, type Reference, type SecretVariable } from "./references.ts";
import { valueAt, without, withDefault, withValue, type JsonObject, type Path } from "./json.ts";

type ChannelName = keyof ChannelTokens;

/** Where each channel has its tokens, and the variables that hold them. */
export const CHANNEL_TOKENS: Readonly<Record<ChannelName, readonly (readonly [string, SecretVariable])[]>> = {
  telegram: [["botToken", "TELEGRAM_BOT_TOKEN"]],
  discord: [["token", "DISCORD_BOT_TOKEN"]],
  slack: [
    ["botToken", "SLACK_BOT_TOKEN"],
    ["appToken", "SLACK_APP_TOKEN"],
  ],
};

export interface ChannelsOfVersion {
  readonly reference: Reference;
  /** The channels that this version starts only where their plugin is named as enabled. */
  readonly plugins: readonly ChannelName[];
}

/**
 * A channel for each token that the user gave. One whose token is gone goes too if it referred to that token; one that the user
 * set up alone is none of our business.
 */
export function applyChannels(
  user: JsonObject,
  wanted: ChannelTokens,
  version: ChannelsOfVersion,
): JsonObject {
  const names: readonly ChannelName[] = ["telegram", "discord", "slack"];
  return names.reduce((config, name) => {
    const next = applyChannel(config, name, wanted[name], version.reference);
    if (!version.plugins.includes(name)) return next;
    const plugin: Path = ["plugins", "entries", name, "enabled"];
    if (wanted[name]) return withDefault(next, plugin, true);
    return next === config ? config : without(next, plugin);
  }, user);
}

function applyChannel(
  user: JsonObject,
  name: ChannelName,
  isWanted: boolean,
  reference: Reference,
): JsonObject {
  const channel: Path = ["channels", name];
  const tokens = CHANNEL_TOKENS[name];
  if (!isWanted) {
    const isOurs = tokens.some(([key, variable]) => refersTo(valueAt(user, [...channel, key]), variable));
    return isOurs ? without(user, channel) : user;
  }
  const wired = tokens.reduce(
    (config, [key, variable]) => withValue(config, [...channel, key], reference(variable)),
    user,
  );
  return withDefault(withDefault(wired, [...channel, "enabled"], true), [...channel, "dmPolicy"], "pairing");
}
