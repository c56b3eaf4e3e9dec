import { Refusal, refusals, type Outcome } from "../refusal.ts";
import type { Machine } from "../state/model.ts";
import type { Cloud } from "./cloud.ts";

export const waitStates = ["started", "stopped", "suspended", "destroyed", "failed", "settled"] as const;
export type WaitState = (typeof waitStates)[number];

export interface WaitRequest {
  states: readonly WaitState[];
  timeoutMs: number;
  /** Only this version of the machine counts. */
  version?: string | undefined;
  /** Only what happened after this event counts. */
  fromEventId?: string | undefined;
}

export interface WaitAnswer {
  ok: true;
  state: string;
  event_id: string;
  version: string;
}

/**
 * Waits until the machine is in one of the states, by watching its changes. 408 with Fly's text when the time is up,
 * 404 when the machine is gone. A machine that was there and has left again meanwhile still counts.
 */
export function waitForMachine(
  cloud: Cloud,
  machineId: string,
  request: WaitRequest,
  signal: AbortSignal,
): Promise<Outcome<WaitAnswer>> {
  const first = cloud.store.machines.get(machineId);
  const early =
    first === undefined
      ? refusals.machineNotFound()
      : (refuse(cloud, first, request) ?? answer(first, request));
  if (early !== undefined) return Promise.resolve(early);
  return new Promise((resolve) => {
    let last = first;
    const finish = (outcome: Outcome<WaitAnswer>): void => {
      cancel();
      unwatch();
      signal.removeEventListener("abort", onAbort);
      resolve(outcome);
    };
    const onTimeout = (): void => finish(tooLate(last, request));
    const onAbort = onTimeout;
    const cancel = cloud.clock.after(request.timeoutMs, onTimeout);
    const unwatch = cloud.store.machines.watch(machineId, (machine) => {
      last = machine;
      const outcome = machine === undefined ? refusals.machineNotFound() : answer(machine, request);
      if (outcome !== undefined) finish(outcome);
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** The answer, if there is one already. */
function answer(machine: Machine, request: WaitRequest): Outcome<WaitAnswer> | undefined {
  const isVersion = request.version === undefined || request.version === machine.instanceId;
  if (isVersion && request.states.some((state) => isIn(machine, state)) && isNews(machine, request)) {
    return {
      ok: true,
      state: machine.state,
      event_id: machine.events[0]?.id ?? "",
      version: machine.instanceId,
    };
  }
  return machine.state === "destroyed" ? refusals.machineNotFound() : undefined;
}

function isIn(machine: Machine, state: WaitState): boolean {
  if (state !== "settled") return machine.state === state;
  switch (machine.state) {
    case "created":
      return machine.target === "created" && machine.prepared;
    case "started":
    case "stopped":
    case "suspended":
    case "failed":
    case "destroyed":
      return true;
    case "starting":
    case "stopping":
    case "restarting":
    case "suspending":
    case "replacing":
    case "destroying":
      return false;
    default:
      return machine.state satisfies never;
  }
}

function isNews(machine: Machine, request: WaitRequest): boolean {
  return request.fromEventId === undefined || machine.events[0]?.id !== request.fromEventId;
}

/** What is wrong with waiting for this at all. */
function refuse(cloud: Cloud, machine: Machine, request: WaitRequest): Refusal | undefined {
  if (
    request.fromEventId !== undefined &&
    !machine.events.some((event) => event.id === request.fromEventId)
  ) {
    return new Refusal(404, "event not found");
  }
  if (!cloud.rules.strictWait) return undefined;
  if (request.states.includes("stopped") && request.version === undefined) {
    return new Refusal(400, "instance_id required when waiting for stopped machine");
  }
  const wasUpdatedIntoStopped = machine.state === "stopped" && machine.events[0]?.type === "update";
  if (wasUpdatedIntoStopped && request.states.every((state) => state === "started")) {
    return new Refusal(400, "invalid_argument: machine was updated into a stopped state");
  }
  return undefined;
}

function tooLate(machine: Machine | undefined, request: WaitRequest): Refusal {
  if (machine === undefined) return refusals.machineNotFound();
  const isOld = request.version !== undefined && request.version !== machine.instanceId;
  return new Refusal(
    408,
    `deadline_exceeded: machine failed to reach desired state, ${request.states.join(", ")}, currently ${
      isOld ? "replaced" : machine.state
    }`,
  );
}
