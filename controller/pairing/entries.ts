import { createHash } from "node:crypto";
import { z } from "zod";
import {
  accountIdSchema,
  channelNameSchema,
  channelRequestSchema,
  deviceRequestSchema,
  PAIRING_ENTRIES_MAX,
  type ChannelRequest,
  type DeviceRequest,
} from "../../src/gateway/wire.ts";

/** OpenClaw forgets a device's request after five minutes, both versions (openclaw-gateway.md §4.1). */
const DEVICE_LIFETIME_MS = 300_000;
/** And a channel's after an hour (§4.2). */
const CHANNEL_LIFETIME_MS = 3_600_000;
const TEXT_CHARS_MAX = 256;
const META_ENTRIES_MAX = 16;
const META_NAME_CHARS_MAX = 64;
/** What OpenClaw lists is there, whatever its instants say: 2026.9 moves a request's end at each retry. Two looks by the timer. */
const LISTED_MS = 60_000;

/** Strangers choose these texts; a long one is cut, so that nobody hides a request by what it says of itself. */
const text = z.string().transform((value) => value.slice(0, TEXT_CHARS_MAX));
const optionalText = text.nullish().transform((value) => value ?? null);
/** Milliseconds since the epoch; with a lifetime on top it is still one that a date can have. */
const instant = z
  .number()
  .min(0)
  .max(8.64e15 - CHANNEL_LIFETIME_MS);
const isoInstant = z
  .string()
  .transform((value) => Date.parse(value))
  .pipe(instant);

const rawDeviceSchema = z.object({
  requestId: z.string(),
  deviceId: z.string(),
  publicKey: z.string().max(4_096),
  clientId: optionalText,
  clientMode: optionalText,
  displayName: optionalText,
  platform: optionalText,
  role: text.nullish(),
  roles: z.array(z.string()).max(16).nullish(),
  scopes: z
    .array(z.string())
    .nullish()
    .transform((scopes) => scopes ?? []),
  remoteIp: optionalText,
  isRepair: z.boolean().nullish(),
  ts: instant,
  refreshedAtMs: instant.nullish(),
});

/**
 * One entry of `device.pair.list`'s `pending`; null for what is none. Both versions put a second request of a device into its first
 * one, which then asks for both roles; an approval grants all of them, so all of them are shown.
 */
export function readDeviceRequest(raw: unknown, now = Date.now()): DeviceRequest | null {
  const parsed = rawDeviceSchema.safeParse(raw);
  if (!parsed.success) return null;
  const { publicKey, ts, refreshedAtMs, isRepair, role: lastRole, roles, ...said } = parsed.data;
  const role = roleOf(lastRole ?? "", roles ?? []);
  const endsAt = Math.max(ts, refreshedAtMs ?? 0) + DEVICE_LIFETIME_MS;
  const entry = deviceRequestSchema.safeParse({
    ...said,
    role,
    isRepair: isRepair ?? false,
    fingerprint: fingerprintOf(said.deviceId, publicKey, role, said.scopes),
    requestedAt: new Date(ts).toISOString(),
    expiresAt: new Date(Math.max(endsAt, now + LISTED_MS)).toISOString(),
  });
  return entry.success ? entry.data : null;
}

/** All roles that something is asked or granted for, as one text: `node,operator`. */
function roleOf(role: string, roles: readonly string[]): string {
  return [...new Set([role, ...roles])]
    .filter((name) => name !== "")
    .toSorted()
    .join(",");
}

/** What an approval is bound to: who asks, with which key, and for what (M06). */
function fingerprintOf(deviceId: string, publicKey: string, role: string, scopes: readonly string[]): string {
  const asked = JSON.stringify([deviceId, publicKey, role, scopes.toSorted()]);
  return createHash("sha256").update(asked).digest("hex");
}

const rawMetaSchema = z
  .record(z.string(), z.unknown())
  .catch({})
  .transform((meta) =>
    Object.fromEntries(
      Object.entries(meta)
        .filter(([name, value]) => name.length <= META_NAME_CHARS_MAX && typeof value === "string")
        .slice(0, META_ENTRIES_MAX)
        .map(([name, value]) => [name, String(value).slice(0, TEXT_CHARS_MAX)]),
    ),
  );

const rawStoredRequestSchema = z.object({
  id: text,
  code: z.string(),
  createdAt: isoInstant,
  meta: rawMetaSchema.default({}),
});

/** One request of 2026.2.26's `credentials/<channel>-pairing.json` (§4.2). */
export function readStoredChannelRequest(channel: string, raw: unknown): ChannelRequest | null {
  const parsed = rawStoredRequestSchema.safeParse(raw);
  if (!parsed.success) return null;
  const { id, code, createdAt, meta } = parsed.data;
  const { accountId = "default", ...others } = meta;
  const entry = channelRequestSchema.safeParse({
    channel,
    accountId,
    code,
    requestId: null,
    senderId: id,
    meta: others,
    requestedAt: new Date(createdAt).toISOString(),
    expiresAt: new Date(createdAt + CHANNEL_LIFETIME_MS).toISOString(),
  });
  return entry.success ? entry.data : null;
}

const rawChannelRequestSchema = z.object({
  requestId: z.string(),
  channel: z.string(),
  accountId: z.string(),
  senderId: text,
  metadata: rawMetaSchema.default({}),
  createdAt: z.union([instant, isoInstant]),
  expiresAt: z.union([instant, isoInstant]).optional(),
});

/** One entry of 2026.9.6's `channels.pairing.list` (§4.2); it never has the code. */
export function readChannelRequest(raw: unknown): ChannelRequest | null {
  const parsed = rawChannelRequestSchema.safeParse(raw);
  if (!parsed.success) return null;
  const { requestId, channel, accountId, senderId, metadata, createdAt } = parsed.data;
  const expiresAt = parsed.data.expiresAt ?? createdAt + CHANNEL_LIFETIME_MS;
  const entry = channelRequestSchema.safeParse({
    channel,
    accountId,
    code: null,
    requestId,
    senderId,
    meta: metadata,
    requestedAt: new Date(createdAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
  });
  return entry.success ? entry.data : null;
}

const rawAccountSchema = z.object({ channel: channelNameSchema, accountId: accountIdSchema });

/** The channel of one entry of `channels.pairing.list`'s `accounts`; null for what is none. */
export function readAccountChannel(raw: unknown): string | null {
  return rawAccountSchema.safeParse(raw).data?.channel ?? null;
}

/** The entries that can be read, each for itself, at most as many as a list may have. */
export function readEach<T>(raw: readonly unknown[], read: (item: unknown) => T | null): T[] {
  return raw
    .slice(0, PAIRING_ENTRIES_MAX)
    .map(read)
    .filter((item) => item !== null);
}
