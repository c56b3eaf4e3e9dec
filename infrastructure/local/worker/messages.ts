import { z } from "zod";

/** Everything the Worker's process needs to know; it comes over the IPC channel, so that secrets are in no argv and no environment. */
export const StartMessage = z.object({
  kind: z.literal("start"),
  host: z.string(),
  port: z.int().min(0).max(65_535),
  bindings: z.record(z.string(), z.string()),
  databaseUrl: z.string(),
});

/** Sent by the conductor's process to the Worker's. */
export const ToWorkerProcess = z.discriminatedUnion("kind", [
  StartMessage,
  z.object({ kind: z.literal("stop") }),
]);

/** Sent by the Worker's process to the conductor's. */
export const FromWorkerProcess = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("ready"), url: z.url() }),
  z.object({ kind: z.literal("portTaken") }),
  z.object({ kind: z.literal("failed"), message: z.string() }),
  z.object({ kind: z.literal("log"), level: z.enum(["debug", "info", "warn", "error"]), line: z.string() }),
]);

export type StartMessage = z.output<typeof StartMessage>;
export type ToWorkerProcess = z.output<typeof ToWorkerProcess>;
export type FromWorkerProcess = z.output<typeof FromWorkerProcess>;
