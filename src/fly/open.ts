import type { Config } from "../config.ts";
import type { Logger } from "../log.ts";
import { createFlyClient, type FlyClient, type FlyExec } from "./client.ts";

/** The client of the Worker's own Fly, which tells the log of every call. */
export function openFly(
  { apiBaseUrl, apiToken, rateLimits }: Config["fly"],
  log: Logger,
): FlyClient & FlyExec {
  return createFlyClient({
    baseUrl: apiBaseUrl,
    token: apiToken,
    rateLimits,
    onCall: (call) => log[call.refusal === null ? "debug" : "warn"]("fly_call", call),
  });
}
