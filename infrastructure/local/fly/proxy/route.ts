import type { MachineService } from "../state/config.ts";
import type { Machine } from "../state/model.ts";
import { inApp, type Store } from "../state/store.ts";

/** Where a request goes, decided from what is known of the machines; the code is the one in Fly's logs. */
export type Route =
  | { kind: "machine"; machine: Machine; edgePort: number; tls: boolean }
  /** The machine sleeps and its service lets the proxy wake it. */
  | { kind: "wake"; machine: Machine; edgePort: number; tls: boolean }
  | { kind: "refused"; status: 404 | 502 | 503; code: string; reason: string };

/**
 * Pins by `fly-force-instance-id`, with no fallback; else picks a machine of the app that the host names
 * (`<app>.fly.dev`, `<app>.localhost`). Only machines with a service on port 443 or 80 can be reached. Pure.
 */
export function chooseRoute(
  store: Store,
  request: { host: string | undefined; forcedMachineId: string | undefined },
): Route {
  if (request.forcedMachineId !== undefined) {
    const machine = store.machines.get(request.forcedMachineId);
    return machine === undefined || machine.state === "destroyed"
      ? refused(502, "PR02", "machine not found")
      : routeTo(machine);
  }
  const app = store.apps.get(appNameOf(request.host));
  if (app === undefined) return refused(404, "PR03", "no app of that name");
  const routes = store.machines
    .find(inApp(app.name))
    .filter((machine) => !machine.cordoned && machine.state !== "destroyed")
    .map(routeTo);
  return (
    routes.find(({ kind }) => kind === "machine") ??
    routes.find(({ kind }) => kind === "wake") ??
    routes[0] ??
    refused(502, "PR03", "no candidate machine")
  );
}

function routeTo(machine: Machine): Route {
  const service = edgeService(machine);
  if (service === undefined) return refused(502, "PR04", "nothing serves port 443 or 80");
  const { edgePort, tls, autostart } = service;
  switch (machine.state) {
    case "started":
      return { kind: "machine", machine, edgePort, tls };
    case "stopped":
    case "suspended":
      return autostart
        ? { kind: "wake", machine, edgePort, tls }
        : refused(503, "PR01", `machine is ${machine.state}`);
    case "created":
    case "starting":
    case "stopping":
    case "restarting":
    case "suspending":
    case "replacing":
    case "failed":
      return refused(503, "PM08", `machine is ${machine.state}`);
    case "destroying":
    case "destroyed":
      return refused(502, "PR02", `machine is ${machine.state}`);
    default:
      return machine.state satisfies never;
  }
}

function refused(status: 404 | 502 | 503, code: string, reason: string): Route {
  return { kind: "refused", status, code, reason };
}

function edgeService(machine: Machine): { edgePort: number; tls: boolean; autostart: boolean } | undefined {
  const services = machine.config.services ?? [];
  for (const edgePort of [443, 80]) {
    for (const service of services) {
      const handlers = handlersOn(service, edgePort);
      if (handlers === undefined || service.internal_port === undefined) continue;
      return { edgePort, tls: handlers.includes("tls"), autostart: service.autostart !== false };
    }
  }
  return undefined;
}

/** The handlers of the service's port, if it has that port. */
function handlersOn(service: MachineService, edgePort: number): string[] | undefined {
  const port = service.ports?.find(({ port, start_port: start, end_port: end }) =>
    port === undefined
      ? start !== undefined && end !== undefined && start <= edgePort && edgePort <= end
      : port === edgePort,
  );
  return port === undefined ? undefined : (port.handlers ?? []);
}

function appNameOf(host: string | undefined): string {
  return /^([a-z0-9-]+)\.(?:fly\.dev|localhost|fly\.dev\.localhost)(?::\d+)?$/.exec(host ?? "")?.[1] ?? "";
}
