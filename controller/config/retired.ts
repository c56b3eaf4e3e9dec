import { isObject, valueAt, without, withValue, type Json, type JsonObject, type Path } from "./json.ts";

/** Keys of 2026.2 for which 2026.9 has no use. */
const GONE: readonly Path[] = [["canvasHost"], ["meta", "lastTouchedAt"]];

/** Where a channel, or an account of it, has in 2026.9 what it had in 2026.2. */
const MOVED: readonly (readonly [Path, Path])[] = [
  [["streamMode"], ["streaming", "mode"]],
  [["chunkMode"], ["streaming", "chunkMode"]],
  [["blockStreaming"], ["streaming", "block", "enabled"]],
  [["blockStreamingCoalesce"], ["streaming", "block", "coalesce"]],
  [["draftChunk"], ["streaming", "preview", "chunk"]],
  [["nativeStreaming"], ["streaming", "nativeTransport"]],
  [["dm", "policy"], ["dmPolicy"]],
  [["dm", "allowFrom"], ["allowFrom"]],
];

const CHANNELS = ["telegram", "discord", "slack"];

/**
 * A configuration that 2026.2 took, in the keys of 2026.9, as far as 2026.9 would not start on them: `canvasHost` ends it with
 * exit code 78, and a channel's keys of before with 1 (openclaw-gateway.md §5.4; measured). The rest it moves by itself, or by
 * its doctor.
 */
export function withoutRetired(user: JsonObject): JsonObject {
  return CHANNELS.reduce(
    (config, name) => {
      const channel = valueAt(config, ["channels", name]);
      if (!isObject(channel)) return config;
      const next = channelOfToday(channel);
      return next === channel ? config : withValue(config, ["channels", name], next);
    },
    GONE.reduce(without, user),
  );
}

function channelOfToday(channel: JsonObject): JsonObject {
  const { accounts } = channel;
  const next = keysOfToday(channel);
  if (!isObject(accounts)) return next;
  const moved = Object.entries(accounts).map(([id, account]): [string, Json] => [
    id,
    isObject(account) ? keysOfToday(account) : account,
  ]);
  const isSame = moved.every(([id, account]) => account === accounts[id]);
  return isSame ? next : withValue(next, ["accounts"], Object.fromEntries(moved));
}

function keysOfToday(entry: JsonObject): JsonObject {
  return MOVED.reduce((config, [from, to]) => {
    const value = valueAt(config, from);
    if (value === undefined) return config;
    const rest = without(config, from);
    return valueAt(rest, to) === undefined ? withValue(rest, to, value) : rest;
  }, withStreamingMode(entry));
}

/** `streaming` was one word, or whether at all. */
function withStreamingMode(entry: JsonObject): JsonObject {
  const { streaming } = entry;
  if (typeof streaming === "boolean")
    return withValue(entry, ["streaming"], { mode: streaming ? "partial" : "off" });
  return typeof streaming === "string" ? withValue(entry, ["streaming"], { mode: streaming }) : entry;
}
