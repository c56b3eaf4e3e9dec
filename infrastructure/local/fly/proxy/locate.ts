import type { IncomingMessage } from "node:http";
import { startMachine } from "../cloud/actions.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { waitForMachine } from "../cloud/wait.ts";
import { ulid } from "../ids.ts";
import { Refusal } from "../refusal.ts";
import type { Machine } from "../state/model.ts";
import type { EdgeFacts } from "./headers.ts";
import { chooseRoute } from "./route.ts";

/** Where a request is taken, or what the edge answers in the machine's place. */
export type Target =
  | { kind: "machine"; port: number; edge: EdgeFacts }
  | { kind: "refused"; status: number; requestId: string };

/** How long a request is held while its machine is woken. */
const wakeMsMax = 30_000;

/** Finds the machine that a request is for, and wakes it where its service says so. Refusals are logged. */
export async function locate(cloud: Cloud, request: IncomingMessage): Promise<Target> {
  const region = cloud.rules.nearestRegion;
  const requestId = `${ulid(cloud.clock.now())}-${region}`;
  const refuse = (status: number, code: string, message: string): Target => {
    cloud.log({ kind: "proxy", code, message });
    return { kind: "refused", status, requestId };
  };
  const forced = request.headers["fly-force-instance-id"];
  const route = chooseRoute(cloud.store, {
    host: request.headers.host,
    forcedMachineId: typeof forced === "string" ? forced : undefined,
  });
  if (route.kind === "refused") return refuse(route.status, route.code, route.reason);
  if (route.kind === "wake") {
    const failure = await wake(cloud, route.machine);
    if (failure !== undefined) return refuse(503, failure.code, failure.message);
  }
  const port = cloud.lifecycle.handle(route.machine.id)?.port;
  if (port === undefined) return refuse(502, "PC02", `machine ${route.machine.id} has no process`);
  const { edgePort, tls } = route;
  const appIp = cloud.store.apps.get(route.machine.app)?.ips[0]?.ip ?? "";
  return { kind: "machine", port, edge: { requestId, region, edgePort, tls, appIp } };
}

async function wake(cloud: Cloud, machine: Machine): Promise<{ code: string; message: string } | undefined> {
  const started = startMachine(cloud, machine, machine.lease?.nonce, "proxy");
  if (started instanceof Refusal) return { code: "PM07", message: started.error };
  const request = { states: ["started"] as const, timeoutMs: wakeMsMax };
  const awake = await waitForMachine(cloud, machine.id, request, new AbortController().signal);
  return awake instanceof Refusal ? { code: "PM03", message: awake.error } : undefined;
}
