import { askController, jsonOf, type MachineAddress } from "./ask.ts";
import { controllerHealthSchema } from "./wire.ts";

export type Health =
  | { kind: "answered"; state: "starting" | "ready" | "degraded"; stage: string }
  | { kind: "silent"; why: string };

const HEALTH_TIMEOUT_MS = 3_000;
const HEALTH_BYTES_MAX = 1_024;

/** Asks the machine's controller how its gateway is. Silence says nothing about the gateway. */
export async function askHealth(address: MachineAddress): Promise<Health> {
  const answer = await askController(address, {
    method: "GET",
    path: "/_kilo/health",
    timeoutMs: HEALTH_TIMEOUT_MS,
    bytesMax: HEALTH_BYTES_MAX,
  });
  if (answer.kind === "silent") return { kind: "silent", why: "the controller could not be reached" };
  if (answer.status !== 200) return { kind: "silent", why: `the controller answered ${answer.status}` };
  const parsed = controllerHealthSchema.safeParse(
    answer.kind === "answered" ? jsonOf(answer.text) : undefined,
  );
  if (!parsed.success) return { kind: "silent", why: "the controller's answer could not be read" };
  return { kind: "answered", state: parsed.data.state, stage: parsed.data.stage };
}
