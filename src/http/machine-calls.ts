import type { z } from "zod";
import { type Config, type Env } from "../config.ts";
import type { Asked, Gateway } from "../gateway/gateway.ts";
import { openGateway } from "../gateway/open.ts";
import type { RouteResult } from "../instance/operations.ts";
import { refusalAnswer, notRunningAnswer } from "./answers.ts";
import { instanceOf } from "./context.ts";
import {
  approveChannelOfSchema,
  approveDeviceOfSchema,
  doctorBodySchema,
  listQuerySchema,
  logsQuerySchema,
} from "./gateway-requests.ts";
import { problem } from "./problem.ts";
import { userQuerySchema, userRequestSchema } from "./requests.ts";

/** A question to the machine of an instance: what came of it, or why nobody was asked. */
export type MachineResult<T> = Asked<T> | Exclude<RouteResult, { kind: "route" }>;

/** One question as the platform asks it, by HTTP or by RPC. */
export type MachineCall<I extends { userId: string }, T> = {
  schema: z.ZodType<I>;
  ask: (gateway: Gateway, input: I) => Promise<Asked<T>>;
};

export const machineCalls = {
  pairing: call(listQuerySchema, (gateway, { refresh }) => gateway.channels({ refresh })),
  approvePairing: call(approveChannelOfSchema, (gateway, { approval }) => gateway.approveChannel(approval)),
  devicePairing: call(listQuerySchema, (gateway, { refresh }) => gateway.devices({ refresh })),
  approveDevicePairing: call(approveDeviceOfSchema, (gateway, { approval }) =>
    gateway.approveDevice(approval),
  ),
  doctor: call(userQuerySchema, (gateway) => gateway.doctor()),
  runDoctor: call(doctorBodySchema, (gateway, { fix }) => gateway.runDoctor({ fix })),
  cancelDoctor: call(userQuerySchema, (gateway) => gateway.cancelDoctor()),
  controllerVersion: call(userQuerySchema, (gateway) => gateway.version()),
  gatewayStatus: call(userQuerySchema, (gateway) => gateway.status()),
  startGateway: call(userRequestSchema, (gateway) => gateway.operate("start")),
  stopGateway: call(userRequestSchema, (gateway) => gateway.operate("stop")),
  restartGateway: call(userRequestSchema, (gateway) => gateway.operate("restart")),
  gatewayLogs: call(logsQuerySchema, (gateway, { after, limit }) => gateway.logs({ after, limit })),
  configReport: call(userQuerySchema, (gateway) => gateway.configReport()),
};

/**
 * Asks the object where the instance is, and then its machine: from here, so that a machine that is slow keeps no object waiting.
 * Where nothing runs, nothing is called.
 */
export async function askMachine<T>(
  env: Env,
  config: Config,
  userId: string,
  ask: (gateway: Gateway) => Promise<Asked<T>>,
): Promise<MachineResult<T>> {
  const route = await instanceOf(env, userId).resolveController(userId);
  return route.kind === "route" ? ask(await openGateway(env, config, route)) : route;
}

/** 200 with the value, or the problem. What the machine or Fly said of it stays in the log. */
export function machineAnswer<T>(result: MachineResult<T>, status = 200): Response {
  switch (result.kind) {
    case "answered":
      return Response.json(result.value, { status, headers: { "cache-control": "no-store" } });
    case "failed": {
      const { reason, retryAfterS } = result;
      return problem(reason === "starting" ? "starting" : "upstream_failed", {
        detail: FAILURES[reason] ?? "The assistant's machine did not do what it was asked for.",
        extra: { reason },
        ...(retryAfterS === null ? {} : { retryAfterS }),
      });
    }
    case "not_running":
      return notRunningAnswer(result);
    case "not_provisioned":
    case "destroying":
    case "misconfigured":
    case "state_unreadable":
    case "registry_unreachable":
      return refusalAnswer(result);
    default:
      return result satisfies never;
  }
}

type Reason = Extract<Asked<unknown>, { kind: "failed" }>["reason"];

const FAILURES: Partial<Record<Reason, string>> = {
  starting: "The assistant's gateway is starting. Try again shortly.",
  shutting_down: "The assistant's machine is shutting down.",
  unknown_route:
    "The machine has an older version, which can't be asked for this. A restart brings the newest.",
  controller_silent: "The assistant's machine did not answer.",
  controller_unreadable: "The assistant's machine gave an answer that can't be read.",
  upstream_timeout: "The assistant's gateway did not answer in time.",
  granted_too_much: "The device was given more than it asked for, and so it was removed again.",
  granted_too_much_still:
    "The device was given more than it asked for, and could not be removed. Remove it in the assistant.",
  exec_rate_limited: "The machine is asked too often. Try again shortly.",
  exec_timeout: "The assistant's machine did not do it in time. It may still.",
  cli_timeout: "The assistant's machine did not do it in time. It may still.",
};

function call<I extends { userId: string }, T>(
  schema: z.ZodType<I>,
  ask: (gateway: Gateway, input: I) => Promise<Asked<T>>,
): MachineCall<I, T> {
  return { schema, ask };
}
