import { z } from "zod";

/**
 * What the controller in a machine answers on `/_kilo/*`. The Worker and the controller both import this
 * file, and nothing else of each other. A machine is hostile: the Worker parses with these schemas before it
 * believes a single field.
 */

/** `GET /_kilo/health`, without authentication. `stage` is a generic label, never a cause or a value. */
export const controllerHealthSchema = z.object({
  state: z.enum(["starting", "ready", "degraded"]),
  stage: z
    .string()
    .regex(/^[a-z][a-z_]*$/)
    .max(40),
});
export type ControllerHealth = z.infer<typeof controllerHealthSchema>;

const versionText = z.string().min(1).max(80);

/** `GET /_kilo/version`. `openclaw` is null while no OpenClaw is installed where the controller looks. */
export const controllerVersionSchema = z.object({
  controller: versionText,
  openclaw: versionText.nullable(),
  node: versionText,
});
export type ControllerVersion = z.infer<typeof controllerVersionSchema>;

export const gatewayStateNameSchema = z.enum([
  "stopped",
  "starting",
  "running",
  "stopping",
  "crashed",
  "shutting-down",
]);
export type GatewayStateName = z.infer<typeof gatewayStateNameSchema>;

/** Why the gateway's process is not running, in words that name a next step for an operator. */
export const gatewayFailureSchema = z.enum([
  "not_prepared",
  "exited",
  "config_rejected",
  "not_ready_in_time",
  "port_taken",
  "spawn_failed",
]);
export type GatewayFailure = z.infer<typeof gatewayFailureSchema>;

/** `GET /_kilo/gateway/status` and the answer (202) to `POST /_kilo/gateway/{start,stop,restart}`. Times are ISO 8601. */
export const gatewayStatusSchema = z.object({
  state: gatewayStateNameSchema,
  since: z.iso.datetime(),
  pid: z.int().positive().nullable(),
  /** Ends in a row that were not asked for and came before 30 seconds of health. */
  failuresInARow: z.int().nonnegative(),
  failure: gatewayFailureSchema.nullable(),
  /** When the next try begins by itself; null when none is planned. */
  retryAt: z.iso.datetime().nullable(),
});
export type GatewayStatus = z.infer<typeof gatewayStatusSchema>;

/** RFC 9457 problem details, as the controller sends them with every error. */
export const controllerProblemSchema = z.object({
  type: z.literal("about:blank"),
  title: z.string().max(200),
  status: z.int().min(400).max(599),
  code: z.enum([
    "unauthenticated",
    "unknown_route",
    "invalid_request",
    "starting",
    "misconfigured",
    "upstream_failed",
  ]),
});
export type ControllerProblem = z.infer<typeof controllerProblemSchema>;
export type ControllerProblemCode = ControllerProblem["code"];
