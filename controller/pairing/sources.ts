import { join } from "node:path";
import { z } from "zod";
import {
  channelNameSchema,
  type ApproveChannel,
  type ChannelRequest,
  type DeviceRequest,
} from "../../src/gateway/wire.ts";
import { readSmallFile } from "../files.ts";
import type { Cli } from "../gateway/cli.ts";
import type { CallResult } from "../gateway/link.ts";
import {
  readAccountChannel,
  readChannelRequest,
  readDeviceRequest,
  readEach,
  readStoredChannelRequest,
} from "./entries.ts";
import type { Looked } from "./list-cache.ts";

export type Call = (
  method: string,
  params: Readonly<Record<string, unknown>>,
  timeoutMs?: number,
) => Promise<CallResult>;

/** What came of asking OpenClaw to approve something. */
export type Approved<T> =
  | { readonly kind: "approved"; readonly value: T }
  | { readonly kind: "not_pending" }
  /** Whether it had an effect may not be known. */
  | { readonly kind: "failed"; readonly why: "timeout" | "refused" | "not_connected" };

export interface ChannelSource {
  /** Of each configured channel those who wait. */
  look(): Promise<Looked<ChannelRequest>>;
  approve(request: ApproveChannel): Promise<Approved<null>>;
}

/** What a device is granted. */
export interface Grant {
  readonly deviceId: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
}

/** Who waits, and what those have that were let in before. */
export interface LookedAtDevices {
  readonly looked: Looked<DeviceRequest>;
  readonly paired: readonly Grant[];
}

export interface DeviceSource {
  look(): Promise<LookedAtDevices>;
  approve(requestId: string): Promise<Approved<Grant>>;
  /** Takes back what a device was granted. */
  remove(deviceId: string): Promise<boolean>;
}

/** The one part of the devices' list. */
export const DEVICES = "devices";

const CALL_TIMEOUT_MS = 10_000;
/** `unknown requestId` (2026.2), `No pending device request matches …` and `… pairing request found for code` (both). */
const NOT_PENDING =
  /unknown requestId|no pending (?:device |pairing )?request|request (?:not found|expired)/i;

const namesSchema = z
  .array(z.string())
  .nullish()
  .transform((names) => names ?? []);
const pairedSchema = z
  .object({
    deviceId: z.string(),
    role: z.string().nullish(),
    roles: namesSchema,
    scopes: namesSchema,
    approvedScopes: namesSchema,
  })
  .transform(({ deviceId, role, roles, scopes, approvedScopes }): Grant => ({
    deviceId,
    roles: [...new Set([...(role ? [role] : []), ...roles])],
    scopes: [...new Set([...scopes, ...approvedScopes])],
  }));
const deviceListSchema = z.object({
  pending: z.array(z.unknown()),
  paired: z.array(z.unknown()).default([]),
});
const grantSchema = z.object({ device: pairedSchema });
/** Far more devices than one person has. */
const PAIRED_MAX = 1_000;

/** Devices, by the gateway's own methods, which both versions have (openclaw-gateway.md §4.1). */
export function createDeviceSource(call: Call): DeviceSource {
  return {
    async look() {
      const list = payloadOf(await call("device.pair.list", {}, CALL_TIMEOUT_MS), deviceListSchema);
      if (list === null) return { looked: { kind: "failed" }, paired: [] };
      const pending = readEach(list.pending, (raw) => readDeviceRequest(raw));
      const paired = list.paired
        .slice(0, PAIRED_MAX)
        .flatMap((raw) => pairedSchema.safeParse(raw).data ?? []);
      return { looked: { kind: "looked", parts: new Map([[DEVICES, pending]]) }, paired };
    },
    async approve(requestId) {
      const result = await call("device.pair.approve", { requestId }, CALL_TIMEOUT_MS);
      const grant = payloadOf(result, grantSchema);
      if (grant !== null) return { kind: "approved", value: grant.device };
      return failureOf(result);
    },
    async remove(deviceId) {
      return (await call("device.pair.remove", { deviceId }, CALL_TIMEOUT_MS)).kind === "answered";
    },
  };
}

const channelListSchema = z.object({ accounts: z.array(z.unknown()), requests: z.array(z.unknown()) });

/**
 * Channels of OpenClaw 2026.9: by its methods. A code, which only the person who waits was told, goes through the CLI, for no
 * method takes it (§4.2).
 */
export function createCalledChannels(call: Call, cli: Cli): ChannelSource {
  const look = async (): Promise<Looked<ChannelRequest>> => {
    const list = payloadOf(await call("channels.pairing.list", {}, CALL_TIMEOUT_MS), channelListSchema);
    if (list === null) return { kind: "failed" };
    const parts = new Map<string, ChannelRequest[]>();
    for (const channel of readEach(list.accounts, readAccountChannel)) parts.set(channel, []);
    for (const request of readEach(list.requests, readChannelRequest)) {
      parts.set(request.channel, [...(parts.get(request.channel) ?? []), request]);
    }
    return { kind: "looked", parts };
  };
  return {
    look,
    async approve(request) {
      if ("code" in request) return approveByCli(cli, request);
      const { channel, requestId, accountId = "default" } = request;
      const result = await call(
        "channels.pairing.approve",
        { channel, accountId, requestId, notify: true },
        CALL_TIMEOUT_MS,
      );
      return result.kind === "answered" ? { kind: "approved", value: null } : failureOf(result);
    },
  };
}

/** OpenClaw keeps three requests of an account; a file of this size is none of its making. */
const STORE_BYTES_MAX = 1_000_000;
const storeSchema = z.object({ requests: z.array(z.unknown()) });

/**
 * Channels of OpenClaw 2026.2: it has no method for them, keeps those who wait in a file per channel, and approves by its CLI,
 * which the running gateway honours at once (§4.2).
 */
export function createStoredChannels(options: {
  readonly stateDir: string;
  /** The names of the channels that its configuration has. */
  readonly configured: () => Promise<readonly string[] | null>;
  readonly cli: Cli;
}): ChannelSource {
  const { stateDir, cli } = options;
  return {
    async look() {
      const names = await options.configured();
      if (names === null) return { kind: "failed" };
      const parts = new Map<string, ChannelRequest[] | null>();
      for (const name of names) {
        const channel = channelNameSchema.safeParse(name);
        if (channel.success) parts.set(name, await readStore(credentialsDir(stateDir), name));
      }
      return { kind: "looked", parts };
    },
    // It knows no request ids.
    approve: async (request) => ("code" in request ? approveByCli(cli, request) : { kind: "not_pending" }),
  };
}

/** Where 2026.2 keeps who waits and who was let in. */
export function credentialsDir(stateDir: string): string {
  return join(stateDir, "credentials");
}

async function readStore(directory: string, channel: string): Promise<ChannelRequest[] | null> {
  try {
    const path = join(directory, `${channel}-pairing.json`);
    const file = await readSmallFile(path, { bytesMax: STORE_BYTES_MAX, followLink: false });
    if (file.kind === "absent") return [];
    if (file.kind === "unreadable") return null;
    const { requests } = storeSchema.parse(JSON.parse(file.text));
    return readEach(requests, (raw) => readStoredChannelRequest(channel, raw));
  } catch {
    // Half-written, replaced by a link, or not OpenClaw's: the last good list stands.
    return null;
  }
}

async function approveByCli(
  cli: Cli,
  { channel, code, accountId }: Extract<ApproveChannel, { code: string }>,
): Promise<Approved<null>> {
  const account = accountId === undefined || accountId === "default" ? [] : ["--account", accountId];
  const result = await cli.run(["pairing", "approve", channel, code, ...account, "--notify"]);
  if (result.kind === "failed")
    return { kind: "failed", why: result.why === "timeout" ? "timeout" : "refused" };
  if (result.code === 0) return { kind: "approved", value: null };
  return NOT_PENDING.test(`${result.stdout}\n${result.stderr}`)
    ? { kind: "not_pending" }
    : { kind: "failed", why: "refused" };
}

function payloadOf<T>(result: CallResult, schema: z.ZodType<T>): T | null {
  return result.kind === "answered" ? (schema.safeParse(result.payload).data ?? null) : null;
}

function failureOf(result: CallResult): Approved<never> {
  switch (result.kind) {
    case "refused":
      return NOT_PENDING.test(result.error.message)
        ? { kind: "not_pending" }
        : { kind: "failed", why: "refused" };
    case "no_answer":
      return { kind: "failed", why: "timeout" };
    case "not_connected":
      return { kind: "failed", why: "not_connected" };
    case "answered":
      return { kind: "failed", why: "refused" };
    default:
      return result satisfies never;
  }
}
