import type { ChannelTokens } from "../settings.ts";
import { valueAt, without, withDefault, withValue, type JsonObject, type Path } from "./json.ts";

type ChannelName = keyof ChannelTokens;

/** Where each channel has its tokens, and the variables that hold them. */
const TOKENS: Readonly<Record<ChannelName, Readonly<Record<string, string>>>> = {
  telegram: { botToken: "${TELEGRAM_BOT_TOKEN}" },
  discord: { token: "${DISCORD_BOT_TOKEN}" },
  slack: { botToken: "${SLACK_BOT_TOKEN}", appToken: "${SLACK_APP_TOKEN}" },
};

/**
 * A channel for each token that the user gave. One whose token is gone goes too if it referred to that token; one that the user
 * set up alone is none of our business.
 *
 * @param plugins the channels that this version starts only where their plugin is named as enabled
 */
export function applyChannels(
  user: JsonObject,
  wanted: ChannelTokens,
  plugins: readonly ChannelName[],
): JsonObject {
  const names: readonly ChannelName[] = ["telegram", "discord", "slack"];
  return names.reduce((config, name) => {
    const next = applyChannel(config, name, wanted[name]);
    if (!plugins.includes(name)) return next;
    const plugin: Path = ["plugins", "entries", name, "enabled"];
    if (wanted[name]) return withDefault(next, plugin, true);
    return next === config ? config : without(next, plugin);
  }, user);
}

function applyChannel(user: JsonObject, name: ChannelName, isWanted: boolean): JsonObject {
  const channel: Path = ["channels", name];
  const tokens = Object.entries(TOKENS[name]);
  if (!isWanted) {
    const isOurs = tokens.some(([key, value]) => valueAt(user, [...channel, key]) === value);
    return isOurs ? without(user, channel) : user;
  }
  const wired = tokens.reduce((config, [key, value]) => withValue(config, [...channel, key], value), user);
  return withDefault(withDefault(wired, [...channel, "enabled"], true), [...channel, "dmPolicy"], "pairing");
}
