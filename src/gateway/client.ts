import type { z } from "zod";
import { askController, jsonOf, type MachineAddress, type Question } from "./ask.ts";
import {
  type Approval,
  approvalSchema,
  type ApproveChannel,
  type ApproveDevice,
  type ChannelPairing,
  channelPairingSchema,
  type ConfigReport,
  configReportSchema,
  type ControllerProblemCode,
  controllerProblemSchema,
  type ControllerVersion,
  controllerVersionSchema,
  type DevicePairing,
  devicePairingSchema,
  type Doctor,
  DOCTOR_OUTPUT_CHARS_MAX,
  doctorSchema,
  type EnvApplied,
  envAppliedSchema,
  type EnvUpdate,
  type GatewayLog,
  gatewayLogSchema,
  type GatewayStatus,
  gatewayStatusSchema,
  LOG_LINE_CHARS_MAX,
  LOG_LINES_MAX,
} from "./wire.ts";

/** What a controller said, or why nothing can be told of what it says. */
export type ControllerAnswer<T> =
  | { kind: "answered"; value: T }
  /** It said no, in its own words for it. */
  | { kind: "refused"; status: number; code: Exclude<ControllerProblemCode, "unknown_route"> }
  /** An older controller, which has no such route; nothing was done. */
  | { kind: "unknown_route" }
  /** No answer, or none of the controller's: what was asked for may have been done all the same. */
  | { kind: "silent"; why: string }
  /** An answer that is none of its wire. */
  | { kind: "unreadable" };

/** One method, one request, one result. Nothing here decides or retries, and nothing is thrown for what a machine does. */
export type ControllerClient = {
  version(): Promise<ControllerAnswer<ControllerVersion>>;
  gatewayStatus(): Promise<ControllerAnswer<GatewayStatus>>;
  operateGateway(operation: GatewayOperation): Promise<ControllerAnswer<GatewayStatus>>;
  logs(query: { after: number; limit: number }): Promise<ControllerAnswer<GatewayLog>>;
  channels(options: { refresh: boolean }): Promise<ControllerAnswer<ChannelPairing>>;
  approveChannel(request: ApproveChannel): Promise<ControllerAnswer<Approval>>;
  devices(options: { refresh: boolean }): Promise<ControllerAnswer<DevicePairing>>;
  approveDevice(request: ApproveDevice): Promise<ControllerAnswer<Approval>>;
  doctor(): Promise<ControllerAnswer<Doctor>>;
  runDoctor(request: { fix: boolean }): Promise<ControllerAnswer<Doctor>>;
  cancelDoctor(): Promise<ControllerAnswer<Doctor>>;
  configReport(): Promise<ControllerAnswer<ConfigReport>>;
  /** The signal ends the wait for the answer, and not what was sent. */
  updateEnv(update: EnvUpdate, signal: AbortSignal): Promise<ControllerAnswer<EnvApplied>>;
};

export type GatewayOperation = "start" | "stop" | "restart";

/** A bearer is what the controller's routes ask for (src/auth/machine-tokens.ts). */
export type ControllerAddress = MachineAddress & { gatewayToken: string };

/** Lists come from the controller's memory; this bounds the way there and a machine that is busy. */
const LIST_TIMEOUT_MS = 5_000;
/** A refresh may wait for OpenClaw's CLI, which is given 45 seconds on a small machine. */
const REFRESH_TIMEOUT_MS = 60_000;
/** So may an approval, after which the controller reads back what has become of it. */
const APPROVAL_TIMEOUT_MS = 60_000;
/** New settings may restart the gateway, which is ready again after some ten seconds, on a small machine after a minute. */
const ENV_TIMEOUT_MS = 90_000;
/** What is answered from what the controller knows; asking OpenClaw its version takes up to two seconds. */
const CALL_TIMEOUT_MS = 10_000;

/** Far more than any honest answer of a few fields has. */
const ANSWER_BYTES_MAX = 64 * 1024;
/** A hundred requests with all their texts at their longest. */
const LIST_BYTES_MAX = 4 * 1024 * 1024;
/** JSON makes up to six bytes of a character. */
const DOCTOR_BYTES_MAX = ANSWER_BYTES_MAX + 6 * DOCTOR_OUTPUT_CHARS_MAX;
/** Lines that are all at their longest are not also all of control characters. */
const LOG_BYTES_MAX = 2 * LOG_LINES_MAX * LOG_LINE_CHARS_MAX;

type Call = Pick<Question, "method" | "path" | "body"> & Partial<Pick<Question, "timeoutMs" | "bytesMax">>;

/** A client of the controller in one machine, through Fly's proxy and pinned to the machine. */
export function createControllerClient(address: ControllerAddress): ControllerClient {
  const ask = <T>(call: Call, schema: z.ZodType<T>, signal?: AbortSignal): Promise<ControllerAnswer<T>> =>
    askFor(address, call, schema, signal);
  const list = (path: string, refresh: boolean): Call => ({
    method: "GET",
    path: refresh ? `${path}?refresh=true` : path,
    timeoutMs: refresh ? REFRESH_TIMEOUT_MS : LIST_TIMEOUT_MS,
    bytesMax: LIST_BYTES_MAX,
  });
  const approve = (path: string, body: unknown): Promise<ControllerAnswer<Approval>> =>
    ask({ method: "POST", path, body, timeoutMs: APPROVAL_TIMEOUT_MS }, approvalSchema);
  const doctor = (method: Call["method"], body?: unknown): Promise<ControllerAnswer<Doctor>> =>
    ask({ method, path: "/_kilo/doctor", body, bytesMax: DOCTOR_BYTES_MAX }, doctorSchema);
  return {
    version: () => ask({ method: "GET", path: "/_kilo/version" }, controllerVersionSchema),
    gatewayStatus: () => ask({ method: "GET", path: "/_kilo/gateway/status" }, gatewayStatusSchema),
    operateGateway: (operation) =>
      ask({ method: "POST", path: `/_kilo/gateway/${operation}` }, gatewayStatusSchema),
    logs: ({ after, limit }) =>
      ask(
        {
          method: "GET",
          path: `/_kilo/gateway/logs?after=${after}&limit=${limit}`,
          bytesMax: LOG_BYTES_MAX,
        },
        gatewayLogSchema,
      ),
    channels: ({ refresh }) => ask(list("/_kilo/pairing/channels", refresh), channelPairingSchema),
    approveChannel: (request) => approve("/_kilo/pairing/channels/approve", request),
    devices: ({ refresh }) => ask(list("/_kilo/pairing/devices", refresh), devicePairingSchema),
    approveDevice: (request) => approve("/_kilo/pairing/devices/approve", request),
    doctor: () => doctor("GET"),
    runDoctor: (request) => doctor("POST", request),
    cancelDoctor: () => doctor("DELETE"),
    configReport: () => ask({ method: "GET", path: "/_kilo/config" }, configReportSchema),
    updateEnv: (update, signal) =>
      ask(
        { method: "PUT", path: "/_kilo/env", body: update, timeoutMs: ENV_TIMEOUT_MS },
        envAppliedSchema,
        signal,
      ),
  };
}

async function askFor<T>(
  { gatewayToken, ...address }: ControllerAddress,
  call: Call,
  schema: z.ZodType<T>,
  signal?: AbortSignal,
): Promise<ControllerAnswer<T>> {
  const question = { timeoutMs: CALL_TIMEOUT_MS, bytesMax: ANSWER_BYTES_MAX, bearer: gatewayToken, ...call };
  const asked = await askController(address, question, signal);
  switch (asked.kind) {
    case "silent":
      return asked;
    case "too_long":
      return { kind: "unreadable" };
    case "answered": {
      const answer = jsonOf(asked.text);
      if (asked.status < 200 || asked.status > 299) return refusalOf(asked.status, answer);
      const parsed = schema.safeParse(answer);
      return parsed.success ? { kind: "answered", value: parsed.data } : { kind: "unreadable" };
    }
    default:
      return asked satisfies never;
  }
}

/**
 * An error of the controller has its details. One of a server's kind without them is Fly's proxy's, which found nobody
 * (fly-machines-api.md §8.5).
 */
function refusalOf(status: number, answer: unknown): Exclude<ControllerAnswer<never>, { kind: "answered" }> {
  const problem = controllerProblemSchema.safeParse(answer);
  if (!problem.success) {
    return status >= 500
      ? { kind: "silent", why: `an answer ${status} that is not the controller's` }
      : { kind: "unreadable" };
  }
  const { code } = problem.data;
  return code === "unknown_route" ? { kind: "unknown_route" } : { kind: "refused", status, code };
}
