import { withDeadline } from "../deadline.ts";
import { controllerHealthSchema } from "./wire.ts";

export type Health =
  | { kind: "answered"; state: "starting" | "ready" | "degraded"; stage: string }
  | { kind: "silent"; why: string };

/** How the controller of one machine is reached: through Fly's proxy, pinned to the machine. */
export type MachineAddress = { proxyUrl: string; machineId: string };

const HEALTH_TIMEOUT_MS = 3_000;
const HEALTH_BYTES_MAX = 1_024;

/** Asks the machine's controller how its gateway is. Silence says nothing about the gateway. */
export async function askHealth({ proxyUrl, machineId }: MachineAddress): Promise<Health> {
  try {
    const { response, body } = await withDeadline(HEALTH_TIMEOUT_MS, async (signal) => {
      const answer = await fetch(new URL("/_kilo/health", proxyUrl), {
        headers: { "fly-force-instance-id": machineId },
        redirect: "manual",
        cache: "no-store",
        signal,
      });
      return { response: answer, body: await readBounded(answer) };
    });
    if (response.status !== 200) return { kind: "silent", why: `the controller answered ${response.status}` };
    const parsed = controllerHealthSchema.safeParse(JSON.parse(body));
    if (!parsed.success) return { kind: "silent", why: "the controller's answer could not be read" };
    return { kind: "answered", state: parsed.data.state, stage: parsed.data.stage };
  } catch {
    return { kind: "silent", why: "the controller could not be reached" };
  }
}

/** The machine is hostile: no more of its answer is read than an honest one has. */
async function readBounded(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > HEALTH_BYTES_MAX) {
      await reader.cancel();
      break;
    }
    text += decoder.decode(value, { stream: true });
  }
  return text + decoder.decode();
}
