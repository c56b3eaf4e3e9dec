import { PAIRING_ENTRIES_MAX } from "../../src/gateway/wire.ts";
import type {
  Approval,
  ApproveChannel,
  ApproveDevice,
  ChannelPairing,
  ChannelRequest,
  DevicePairing,
  DeviceRequest,
} from "../../src/gateway/wire.ts";
import type { Log } from "../log.ts";
import { createListCache, type ListCache, type Looked } from "./list-cache.ts";
import { DEVICES, type ChannelSource, type DeviceSource, type Grant } from "./sources.ts";

/** What the gateway that runs now can be asked. */
export interface PairingSources {
  readonly channels: ChannelSource;
  readonly devices: DeviceSource;
}

export type ApprovalResult =
  | { readonly kind: "answered"; readonly approval: Approval }
  | {
      readonly kind: "failed";
      readonly code: "starting" | "shutting_down" | "upstream_failed" | "upstream_timeout";
    };

/** The requests to be let in, of channels and of devices, from memory. */
export interface Pairing {
  channels(options: { readonly refresh: boolean }): Promise<ChannelPairing>;
  devices(options: { readonly refresh: boolean }): Promise<DevicePairing>;
  approveChannel(request: ApproveChannel): Promise<ApprovalResult>;
  approveDevice(request: ApproveDevice): Promise<ApprovalResult>;
  /** An event of the gateway. */
  onEvent(event: string): void;
  /** Something spoke of pairing: a line of a log, a file that changed. */
  onHint(): void;
  /** The gateway can be asked again. */
  onConnect(): void;
  /** Nothing is asked or approved any more. */
  close(): void;
}

export interface PairingTimings {
  /** The look of last resort, for what neither an event nor a hint told of. */
  readonly refreshMs: number;
  /** Hints come in bursts: a file is written in two steps, a request logged in three lines. */
  readonly debounceMs: number;
}

const DEFAULT_TIMINGS: PairingTimings = { refreshMs: 30_000, debounceMs: 50 };
const DEVICE_EVENTS = /^device\.pair\./;
/** Approved ids and codes that are remembered, so that a second approval is told from an unknown request. */
const APPROVED_MAX = 256;
/** Approvals that wait for one another; by the command line each may take 45 s. */
const TURNS_MAX = 8;

export function createPairing(options: {
  /** Null while no gateway is known. */
  readonly sources: () => PairingSources | null;
  readonly log: Log;
  readonly timings?: Partial<PairingTimings>;
}): Pairing {
  const { log } = options;
  const timings = { ...DEFAULT_TIMINGS, ...options.timings };
  let isClosed = false;

  const from =
    <T>(look: (sources: PairingSources) => Promise<Looked<T>>) =>
    async (): Promise<Looked<T>> => {
      const sources = options.sources();
      return sources === null || isClosed ? { kind: "failed" } : look(sources);
    };
  const channels = createListCache<ChannelRequest>({ look: from((sources) => sources.channels.look()) });
  const devices = createListCache<DeviceRequest>({
    look: from(async (sources) => (await sources.devices.look()).looked),
  });
  const approved = createMemory(APPROVED_MAX);
  const inTurn = { channels: createTurns(TURNS_MAX), devices: createTurns(TURNS_MAX) };

  const refreshAll = (): void => {
    if (isClosed) return;
    void channels.refresh();
    void devices.refresh();
  };
  const timer = setInterval(refreshAll, timings.refreshMs);
  timer.unref();
  let hint: NodeJS.Timeout | null = null;

  /** What was approved is gone at once, whatever a look that began before it brings. */
  const forget = <T extends { readonly expiresAt: string }>(
    cache: ListCache<T>,
    isIt: (item: T) => boolean,
  ): void => {
    cache.remove(isIt);
    void cache.refresh();
  };

  const approveChannelNow = async (request: ApproveChannel): Promise<ApprovalResult> => {
    const sources = options.sources();
    if (isClosed) return failed("shutting_down");
    const key = channelKey(request);
    const isIt = (item: ChannelRequest): boolean =>
      item.channel === request.channel &&
      ("code" in request ? item.code === request.code : item.requestId === request.requestId);
    if (approved.has(key)) return answered("already_approved");
    if (sources === null) return failed("starting");
    const result = await sources.channels.approve(request);
    switch (result.kind) {
      case "approved":
        approved.add(key);
        forget(channels, isIt);
        log("info", "a channel's request was approved", { channel: request.channel });
        return answered("approved");
      case "not_pending":
        forget(channels, isIt);
        return answered("not_pending");
      case "failed":
        void channels.refresh();
        return failureOf(result.why);
      default:
        return result satisfies never;
    }
  };

  const approveDeviceNow = async ({ requestId, fingerprint }: ApproveDevice): Promise<ApprovalResult> => {
    const sources = options.sources();
    if (isClosed) return failed("shutting_down");
    if (approved.has(requestId)) return answered("already_approved");
    if (sources === null) return failed("starting");
    const isIt = (item: DeviceRequest): boolean => item.requestId === requestId;
    // Not from memory: what is granted is compared with what is asked for now.
    const { looked, paired } = await sources.devices.look();
    if (looked.kind === "failed") return failed("upstream_failed");
    const asked = looked.parts.get(DEVICES)?.find(isIt);
    if (asked === undefined) {
      forget(devices, isIt);
      return answered("not_pending");
    }
    if (fingerprint !== undefined && fingerprint !== asked.fingerprint) return answered("changed");
    const result = await sources.devices.approve(requestId);
    switch (result.kind) {
      case "approved":
        forget(devices, isIt);
        if (!isWithin(result.value, asked, paired)) {
          const isRemoved = await sources.devices.remove(result.value.deviceId);
          log("error", "a device was granted more than it asked for, and removed", { requestId, isRemoved });
          return failed("upstream_failed");
        }
        approved.add(requestId);
        log("info", "a device was approved", { requestId, role: asked.role, scopes: asked.scopes });
        return answered("approved");
      case "not_pending":
        forget(devices, isIt);
        return answered("not_pending");
      case "failed":
        void devices.refresh();
        return failureOf(result.why);
      default:
        return result satisfies never;
    }
  };

  return {
    async channels({ refresh }) {
      if (refresh && !isClosed) await channels.refresh();
      const parts = [...channels.parts()];
      return {
        ...listState(channels.state()),
        requests: parts.flatMap(([, part]) => part.items).slice(0, PAIRING_ENTRIES_MAX),
        channels: parts.map(([channel, part]) => ({
          channel,
          refreshedAt: isoOf(part.refreshedAt),
          stale: part.isStale,
        })),
      };
    },
    async devices({ refresh }) {
      if (refresh && !isClosed) await devices.refresh();
      return { ...listState(devices.state()), requests: [...(devices.parts().get(DEVICES)?.items ?? [])] };
    },
    approveChannel: (request) => inTurn.channels(() => approveChannelNow(request)) ?? TOO_MANY,
    approveDevice: (request) => inTurn.devices(() => approveDeviceNow(request)) ?? TOO_MANY,
    onEvent(event) {
      if (!DEVICE_EVENTS.test(event) || isClosed) return;
      // A look that began before the event can't know of it.
      devices.outdate();
      void devices.refresh();
    },
    onHint() {
      if (isClosed) return;
      hint ??= setTimeout(() => {
        hint = null;
        channels.outdate();
        devices.outdate();
        refreshAll();
      }, timings.debounceMs);
    },
    onConnect: refreshAll,
    close() {
      isClosed = true;
      clearInterval(timer);
      if (hint !== null) clearTimeout(hint);
    },
  };
}

function listState({ refreshedAt, isStale }: { refreshedAt: number | null; isStale: boolean }): {
  refreshedAt: string | null;
  stale: boolean;
} {
  return { refreshedAt: isoOf(refreshedAt), stale: isStale };
}

/** A device gets no role and no scope that it did not ask for (M06), or had before: the gateway's answer names those, too. */
function isWithin(grant: Grant, asked: DeviceRequest, paired: readonly Grant[]): boolean {
  const had = paired.filter(({ deviceId }) => deviceId === grant.deviceId);
  const roles = new Set([...asked.role.split(","), ...had.flatMap((before) => before.roles)]);
  const scopes = new Set([...asked.scopes, ...had.flatMap((before) => before.scopes)]);
  return grant.roles.every((role) => roles.has(role)) && grant.scopes.every((scope) => scopes.has(scope));
}

function channelKey(request: ApproveChannel): string {
  const { channel, accountId = "default" } = request;
  return JSON.stringify([channel, accountId, "code" in request ? request.code : request.requestId]);
}

function answered(outcome: Approval["outcome"]): ApprovalResult {
  return { kind: "answered", approval: { outcome } };
}

function failed(code: Extract<ApprovalResult, { kind: "failed" }>["code"]): ApprovalResult {
  return { kind: "failed", code };
}

function failureOf(why: "timeout" | "refused" | "not_connected"): ApprovalResult {
  switch (why) {
    case "timeout":
      return failed("upstream_timeout");
    case "refused":
      return failed("upstream_failed");
    case "not_connected":
      return failed("starting");
    default:
      return why satisfies never;
  }
}

function isoOf(instant: number | null): string | null {
  return instant === null ? null : new Date(instant).toISOString();
}

/** Remembers the last so many texts. */
function createMemory(capacity: number): { add(text: string): void; has(text: string): boolean } {
  const known = new Set<string>();
  return {
    add(text) {
      known.add(text);
      const [oldest] = known;
      if (known.size > capacity && oldest !== undefined) known.delete(oldest);
    },
    has: (text) => known.has(text),
  };
}

const TOO_MANY = Promise.resolve(failed("starting"));

/** Runs one after the other, so that two approvals of one request make one grant; null where too many wait already. */
function createTurns(waitingMax: number): <T>(run: () => Promise<T>) => Promise<T> | null {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    if (waiting >= waitingMax) return null;
    waiting += 1;
    const mine = last.then(run).finally(() => (waiting -= 1));
    last = mine.catch(() => undefined);
    return mine;
  };
}
