import type { FlyExec } from "../fly/client.ts";
import { approveByCli, type ByExec, outcome, unfinished } from "./approve-by-cli.ts";
import { channelRequestsIn } from "./cli-output.ts";
import { createDevicesByExec } from "./devices-by-exec.ts";
import {
  type CliRun,
  type DoctorRequest,
  execDoctor,
  type ExecPlace,
  failed,
  runCli,
  runOne,
} from "./exec.ts";
import {
  type Approval,
  type ApproveChannel,
  type ApproveDevice,
  type ChannelPairing,
  channelNameSchema,
  type ControllerVersion,
  type DevicePairing,
  type Doctor,
  PAIRING_ENTRIES_MAX,
} from "./wire.ts";

/**
 * What an older controller can't be asked for: devices by the gateway's own methods, the rest by OpenClaw's CLI, which takes seconds
 * for each call, and much of the machine's memory.
 */
export type GatewayByExec = {
  version(): Promise<ByExec<ControllerVersion>>;
  devices(): Promise<ByExec<DevicePairing>>;
  approveDevice(request: ApproveDevice): Promise<ByExec<Approval>>;
  /** A channel that fails keeps what `last` knows of it, marked stale. */
  channels(last: ChannelPairing | null): Promise<ByExec<ChannelPairing>>;
  approveChannel(request: ApproveChannel): Promise<ByExec<Approval>>;
  doctor(request: DoctorRequest): Promise<ByExec<Doctor>>;
};

/** Outputs and exit codes are those of openclaw-gateway.md §4.1 and §4.2. */
export function createGatewayByExec(fly: FlyExec, place: ExecPlace): GatewayByExec {
  const one = (...args: string[]) => runOne(fly, place, args);

  const devices = createDevicesByExec(fly, place);
  return {
    devices: () => devices.list(),
    async version() {
      const asked = await one("--version");
      if (asked.kind === "failed") return asked;
      if (asked.run.exitCode !== 0) return unfinished(asked.run);
      const installed = /\d{4}\.\d+\.\d+\S*/.exec(asked.run.stdout.slice(0, 1_000))?.[0] ?? null;
      if (installed === null) return failed("cli_unreadable");
      const value: ControllerVersion = {
        controller: "unknown",
        capabilities: [],
        // The CLI tells what is installed, not what runs.
        openclaw: null,
        openclawInstalled: installed.slice(0, 80),
        imageDigest: null,
        node: asked.node,
      };
      return { kind: "answered", value };
    },
    approveDevice: (request) => devices.approve(request),
    async channels(last) {
      const refreshedAt = new Date().toISOString();
      const listed = await runCli(fly, place, "channels");
      if (listed.kind === "failed") return listed;
      const [first] = listed.runs;
      const lists = listed.runs.flatMap((run) => channelList(run, refreshedAt, last) ?? []);
      if (lists.length < listed.runs.length) return failed("exec_unreadable");
      if (first !== undefined && lists.every(({ stale }) => stale)) return unfinished(first);
      const value: ChannelPairing = {
        refreshedAt: lists.map((list) => list.refreshedAt).reduce(earlier, refreshedAt),
        stale: lists.some(({ stale }) => stale),
        requests: lists.flatMap(({ requests }) => requests).slice(0, PAIRING_ENTRIES_MAX),
        channels: lists.map(({ channel, refreshedAt, stale }) => ({ channel, refreshedAt, stale })),
      };
      return { kind: "answered", value };
    },
    async approveChannel(request) {
      // The lists of an older controller have codes only, so that no request has this id.
      if (!("code" in request)) return outcome("not_pending");
      const { channel, accountId = "default", code } = request;
      const account = accountId === "default" ? [] : ["--account", accountId];
      return approveByCli(fly, place, NO_SUCH_CODE, [
        "pairing",
        "approve",
        channel,
        code,
        ...account,
        "--notify",
      ]);
    },
    doctor: (request) => execDoctor(fly, place, request),
  };
}

/** `No pending pairing request found for code: …` (both). */
const NO_SUCH_CODE = /no pending pairing request/i;

type ChannelList = ChannelPairing["channels"][number] & Pick<ChannelPairing, "requests">;

function channelList(run: CliRun, refreshedAt: string, last: ChannelPairing | null): ChannelList | null {
  const named = channelNameSchema.safeParse(run.args[2]);
  if (!named.success) return null;
  const channel = named.data;
  const requests = run.exitCode === 0 ? channelRequestsIn(run.stdout, channel) : null;
  if (requests !== null) return { channel, refreshedAt, stale: false, requests };
  const known = last?.channels.find((before) => before.channel === channel);
  return {
    channel,
    refreshedAt: known?.refreshedAt ?? null,
    stale: true,
    requests: last?.requests.filter((request) => request.channel === channel) ?? [],
  };
}

/** The earlier of two instants of the same form; null, which is never, is before all. */
function earlier(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return null;
  return one < other ? one : other;
}
