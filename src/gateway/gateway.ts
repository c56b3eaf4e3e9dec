import { waitUntil } from "cloudflare:workers";
import type { Logger } from "../log.ts";
import type { ByExec } from "./approve-by-cli.ts";
import type { GatewayByExec } from "./by-exec.ts";
import type { AnswerCache, CachedKind } from "./cache.ts";
import type { ControllerAnswer, ControllerClient, GatewayOperation } from "./client.ts";
import type { ExecFailure } from "./exec.ts";
import { createFlights } from "./flights.ts";
import {
  type Approval,
  type ApproveChannel,
  type ApproveDevice,
  type ChannelPairing,
  channelPairingSchema,
  type ConfigReport,
  type ControllerProblemCode,
  type ControllerVersion,
  type DevicePairing,
  devicePairingSchema,
  type Doctor,
  type GatewayLog,
  type GatewayStatus,
} from "./wire.ts";

/** What became of a question to the machine; `reason` is a stable word, and nothing that the machine or Fly wrote. */
export type Asked<T> = { kind: "answered"; value: T } | AskFailure;
export type AskFailure = {
  kind: "failed";
  reason: ControllerProblemCode | "controller_silent" | "controller_unreadable" | ExecFailure["reason"];
  retryAfterS: number | null;
};

/**
 * One machine's gateway, by its controller; where that is an older one, which knows no such route, by exec of OpenClaw's CLI with
 * answers that are kept for a while. Only `unknown_route` leads there: every other error is told as what it is.
 */
export type Gateway = {
  version(): Promise<Asked<ControllerVersion>>;
  status(): Promise<Asked<GatewayStatus>>;
  operate(operation: GatewayOperation): Promise<Asked<GatewayStatus>>;
  logs(query: { after: number; limit: number }): Promise<Asked<GatewayLog>>;
  channels(options: { refresh: boolean }): Promise<Asked<ChannelPairing>>;
  approveChannel(request: ApproveChannel): Promise<Asked<Approval>>;
  devices(options: { refresh: boolean }): Promise<Asked<DevicePairing>>;
  approveDevice(request: ApproveDevice): Promise<Asked<Approval>>;
  doctor(): Promise<Asked<Doctor>>;
  runDoctor(request: { fix: boolean }): Promise<Asked<Doctor>>;
  cancelDoctor(): Promise<Asked<Doctor>>;
  configReport(): Promise<Asked<ConfigReport>>;
};

export type GatewayParts = {
  sandboxId: string;
  controller: ControllerClient;
  byExec: GatewayByExec;
  cache: AnswerCache;
  log: Logger;
};

/** A list by exec takes seconds of a whole core; requests to pair wait for minutes at least. */
const FRESH_MS = 60_000;
/** A gateway takes some seconds to be up. */
const STARTING_RETRY_S = 3;
/** A machine that shuts down, or can't be reached, is another one or up again by then. */
const AWAY_RETRY_S = 10;

const channelFlights = createFlights<ByExec<ChannelPairing>>();
const deviceFlights = createFlights<ByExec<DevicePairing>>();
/** Two that begin at the same instant would both run. */
const doctorFlights = createFlights<ByExec<Doctor>>();

export function createGateway({ sandboxId, controller, byExec, cache, log }: GatewayParts): Gateway {
  const fallBack = async <T>(
    answer: ControllerAnswer<T>,
    byExec: () => Promise<Asked<T>>,
  ): Promise<Asked<T>> => (answer.kind === "unknown_route" ? byExec() : askedOf(answer));

  const channelsByExec = async ({ refresh }: { refresh: boolean }): Promise<Asked<ChannelPairing>> => {
    const { generation, value, ageMs } = await cache.read("channels", channelPairingSchema);
    if (value !== null && !refresh && ageMs < FRESH_MS) return answered(unexpired(value));
    const listed = await channelFlights(flightName(generation), async () => {
      const list = await byExec.channels(value);
      if (list.kind === "answered") await cache.keep("channels", generation, list.value);
      return list;
    });
    if (listed.kind === "answered") return answered(unexpired(listed.value));
    if (value === null) return listed;
    const channels = value.channels.map((channel) => ({ ...channel, stale: true }));
    return answered(unexpired({ ...value, stale: true, channels }));
  };

  const devicesByExec = async ({ refresh }: { refresh: boolean }): Promise<Asked<DevicePairing>> => {
    const { generation, value, ageMs } = await cache.read("devices", devicePairingSchema);
    if (value !== null && !refresh && ageMs < FRESH_MS) return answered(unexpired(value));
    const listed = await deviceFlights(flightName(generation), async () => {
      const list = await byExec.devices();
      if (list.kind === "answered") await cache.keep("devices", generation, list.value);
      return list;
    });
    if (listed.kind === "answered") return answered(unexpired(listed.value));
    return value === null ? listed : answered(unexpired({ ...value, stale: true }));
  };

  /** One list for all who ask in the same generation; where that is unknown, nobody joins. */
  const flightName = (generation: string | null): string =>
    `${sandboxId} ${generation ?? crypto.randomUUID()}`;

  /**
   * Whatever came of an approval, lists from before it are not shown again: not even an answer that was lost says that nothing was
   * approved. That holds for whoever gave up waiting for it too.
   */
  const approving = (kind: CachedKind, approve: () => Promise<Asked<Approval>>): Promise<Asked<Approval>> => {
    const work = async (): Promise<Asked<Approval>> => {
      const approved = await approve();
      if (!(await cache.drop(kind))) log.warn("cache_not_dropped", { sandboxId, kind });
      const outcome = approved.kind === "answered" ? approved.value.outcome : approved.reason;
      log.info("approval", { sandboxId, kind, outcome });
      if (outcome === "granted_too_much_still") log.error("device_not_removed", { sandboxId });
      return approved;
    };
    const done = work();
    waitUntil(done.catch(() => null));
    return done;
  };

  return {
    version: async () => fallBack(await controller.version(), () => byExec.version()),
    status: async () => askedOf(await controller.gatewayStatus()),
    operate: async (operation) => askedOf(await controller.operateGateway(operation)),
    logs: async (query) => askedOf(await controller.logs(query)),
    channels: async (options) => fallBack(await controller.channels(options), () => channelsByExec(options)),
    approveChannel: (request) =>
      approving("channels", async () =>
        fallBack(await controller.approveChannel(request), () => byExec.approveChannel(request)),
      ),
    devices: async (options) => fallBack(await controller.devices(options), () => devicesByExec(options)),
    approveDevice: (request) =>
      approving("devices", async () =>
        fallBack(await controller.approveDevice(request), () => byExec.approveDevice(request)),
      ),
    doctor: async () => fallBack(await controller.doctor(), () => byExec.doctor({ verb: "read" })),
    runDoctor: async ({ fix }) =>
      fallBack(await controller.runDoctor({ fix }), () =>
        doctorFlights(sandboxId, () => byExec.doctor({ verb: "start", fix })),
      ),
    cancelDoctor: async () =>
      fallBack(await controller.cancelDoctor(), () => byExec.doctor({ verb: "cancel" })),
    configReport: async () => askedOf(await controller.configReport()),
  };
}

function askedOf<T>(answer: ControllerAnswer<T>): Asked<T> {
  switch (answer.kind) {
    case "answered":
      return answer;
    case "unknown_route":
      return { kind: "failed", reason: "unknown_route", retryAfterS: null };
    case "silent":
      return { kind: "failed", reason: "controller_silent", retryAfterS: AWAY_RETRY_S };
    case "unreadable":
      return { kind: "failed", reason: "controller_unreadable", retryAfterS: null };
    case "refused":
      return { kind: "failed", reason: answer.code, retryAfterS: retryAfterOf(answer.code) };
    default:
      return answer satisfies never;
  }
}

function retryAfterOf(code: ControllerProblemCode): number | null {
  if (code === "starting") return STARTING_RETRY_S;
  return code === "shutting_down" || code === "upstream_timeout" ? AWAY_RETRY_S : null;
}

function answered<T>(value: T): Asked<T> {
  return { kind: "answered", value };
}

/** A kept list without what has run out since. */
function unexpired<T extends { requests: { expiresAt: string }[] }>(list: T): T {
  const now = Date.now();
  return { ...list, requests: list.requests.filter(({ expiresAt }) => Date.parse(expiresAt) > now) };
}
