import { z } from "zod";
import { toHex } from "../hex.ts";
import {
  type ChannelRequest,
  channelRequestSchema,
  type DeviceRequest,
  deviceRequestSchema,
  PAIRING_ENTRIES_MAX,
} from "./wire.ts";

/** Pending requests of OpenClaw end after this (openclaw-gateway.md §4.1, §4.2). */
const DEVICE_LIFETIME_MS = 300_000;
const CHANNEL_LIFETIME_MS = 3_600_000;
/** What a channel tells of a person are a handful of short names. */
const META_ENTRIES_MAX = 16;
const META_NAME_CHARS_MAX = 64;
const TEXT_CHARS_MAX = 256;

const cut = z.string().transform((text) => text.slice(0, TEXT_CHARS_MAX));
const optionalText = cut.nullish().transform((text) => text ?? null);
/** Milliseconds, or ISO 8601: the two versions and the two lists differ. */
const instant = z.union([z.number(), z.string().transform((text) => Date.parse(text))]).pipe(z.number());

const deviceSchema = z.object({
  requestId: z.string(),
  deviceId: z.string(),
  publicKey: z.string().max(4_096),
  clientId: optionalText,
  clientMode: optionalText,
  displayName: optionalText,
  platform: optionalText,
  role: cut.nullish(),
  roles: z.array(z.string()).max(16).nullish(),
  scopes: z.array(z.string()).nullish(),
  remoteIp: optionalText,
  isRepair: z.boolean().nullish(),
  ts: instant,
});

const channelEntrySchema = z.object({
  id: z.string(),
  code: z.string(),
  createdAt: instant,
  meta: z.record(z.string(), z.unknown()).nullish(),
});

const devicesSchema = z.object({ pending: z.array(z.unknown()), paired: z.array(z.unknown()).nullish() });
const channelSchema = z.object({ requests: z.array(z.unknown()) });

/** Who waits, and what those have who are in. */
export type Devices = { requests: DeviceRequest[]; paired: PairedDevice[] };
export type PairedDevice = { deviceId: string; roles: string[]; scopes: string[] };

/**
 * What `openclaw devices list --json` says, as the controller would (openclaw-gateway.md §4.1): each entry by itself, and without
 * its public key. Null for what is no such list.
 */
export async function devicesIn(stdout: string): Promise<Devices | null> {
  const list = devicesSchema.safeParse(jsonIn(stdout));
  if (!list.success) return null;
  const requests = await Promise.all(list.data.pending.slice(0, PAIRING_ENTRIES_MAX).map(deviceOf));
  return {
    requests: requests.filter((request) => request !== null),
    // As many as there are: the list is as long as what was printed of it at most.
    paired: (list.data.paired ?? []).flatMap((entry) => pairedSchema.safeParse(entry).data ?? []),
  };
}

const pairedSchema = z
  .object({
    deviceId: z.string(),
    role: z.string().nullish(),
    roles: z.array(z.string()).nullish(),
    scopes: z.array(z.string()).nullish(),
  })
  .transform(({ deviceId, role, roles, scopes }): PairedDevice => ({
    deviceId,
    roles: [...(role ? [role] : []), ...(roles ?? [])],
    scopes: scopes ?? [],
  }));

/** What was granted to a device, as `openclaw devices approve --json` tells; null where it doesn't. */
export function grantIn(stdout: string): Grant | null {
  return grantSchema.safeParse(jsonIn(stdout)).data?.device ?? null;
}

export type Grant = z.infer<typeof grantSchema>["device"];

const grantSchema = z.object({
  device: z.object({
    deviceId: z.string().regex(/^[0-9a-f]{64}$/),
    role: z.string(),
    scopes: z.array(z.string()),
  }),
});

/** What `openclaw pairing list <channel> --json` says (§4.2); null for what is no such list. */
export function channelRequestsIn(stdout: string, channel: string): ChannelRequest[] | null {
  const list = channelSchema.safeParse(jsonIn(stdout));
  if (!list.success) return null;
  return list.data.requests
    .slice(0, PAIRING_ENTRIES_MAX)
    .flatMap((entry) => channelRequestOf(entry, channel));
}

async function deviceOf(entry: unknown): Promise<DeviceRequest | null> {
  const read = deviceSchema.safeParse(entry);
  if (!read.success) return null;
  const { publicKey, ts, ...device } = read.data;
  if (isTheCliItself(device)) return null;
  // A second request of a device is put into its first one; all that it asks for is shown and bound, as by the controller.
  const role = [...new Set([device.role ?? "", ...(device.roles ?? [])])]
    .filter(Boolean)
    .toSorted()
    .join(",");
  const scopes = device.scopes ?? [];
  const request = deviceRequestSchema.safeParse({
    ...device,
    role,
    scopes,
    isRepair: device.isRepair === true,
    fingerprint: await fingerprintOf([device.deviceId, publicKey, role, scopes.toSorted()]),
    ...lifetime(ts, DEVICE_LIFETIME_MS),
  });
  return request.success ? request.data : null;
}

/**
 * Behind a trusted proxy the CLI is a device like any other: 2026.9.6 refuses it, notes its request, and lets it read and write what
 * the gateway has on disk (measured). Somebody else comes from somewhere: through the Worker, and so with an address.
 */
function isTheCliItself({
  clientMode,
  remoteIp,
}: {
  clientMode: string | null;
  remoteIp: string | null;
}): boolean {
  return clientMode === "cli" && remoteIp === null;
}

function channelRequestOf(entry: unknown, channel: string): ChannelRequest[] {
  const read = channelEntrySchema.safeParse(entry);
  if (!read.success) return [];
  const { id, code, createdAt, meta } = read.data;
  const { accountId = "default", ...told } = meta ?? {};
  const request = channelRequestSchema.safeParse({
    channel,
    accountId,
    code,
    requestId: null,
    senderId: id,
    meta: Object.fromEntries(
      Object.entries(told)
        .flatMap(([name, value]) =>
          typeof value === "string" && name.length <= META_NAME_CHARS_MAX
            ? [[name, value.slice(0, TEXT_CHARS_MAX)]]
            : [],
        )
        .slice(0, META_ENTRIES_MAX),
    ),
    ...lifetime(createdAt, CHANNEL_LIFETIME_MS),
  });
  return request.success ? [request.data] : [];
}

/** What the approval of a device is for. The controller makes the same of its own list. */
async function fingerprintOf(what: unknown[]): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(what));
  return toHex(await crypto.subtle.digest("SHA-256", bytes));
}

function lifetime(beganAt: number, lastsMs: number): { requestedAt: string; expiresAt: string } {
  const isInstant = Math.abs(beganAt) < INSTANT_MAX - lastsMs;
  const iso = (at: number): string => (isInstant ? new Date(at).toISOString() : "");
  return { requestedAt: iso(beganAt), expiresAt: iso(beganAt + lastsMs) };
}

/** Past this, a number of milliseconds is no date (ECMA-262, "Time Values and Time Range"). */
const INSTANT_MAX = 8.64e15;

/** The CLI may print warnings before what it was asked for. */
function jsonIn(stdout: string): unknown {
  const begins = stdout.startsWith("{") ? 0 : stdout.indexOf("\n{") + 1;
  try {
    return JSON.parse(stdout.slice(begins, stdout.lastIndexOf("}") + 1));
  } catch {
    return undefined;
  }
}
