import { constants } from "node:os";
import { ulid } from "../ids.ts";
import type { ExitEvent, Machine, MachineEvent } from "../state/model.ts";
import type { Exit } from "../runtime/runtime.ts";

/** Fly answers at most this many; older ones are dropped. */
export const eventsMax = 50;

export interface EventWords {
  type: string;
  status: string;
  source: MachineEvent["source"];
  request?: MachineEvent["request"];
}

/** The machine with one more event, the newest first. */
export function withEvent(machine: Machine, nowMs: number, words: EventWords): Machine {
  const event: MachineEvent = {
    id: ulid(nowMs),
    type: words.type,
    status: words.status,
    source: words.source,
    timestamp: nowMs,
    request: words.request ?? null,
  };
  return { ...machine, updatedAt: nowMs, events: [event, ...machine.events].slice(0, eventsMax) };
}

/** How the end of a machine's program is told in its `exit` event. */
export function exitEvent(
  exit: Exit,
  facts: { requestedStop: boolean; restarting: boolean; nowMs: number },
): ExitEvent {
  const signal = exit.signal === null ? -1 : constants.signals[exit.signal];
  const exitCode = exit.code ?? 128 + Math.max(signal, 0);
  return {
    requested_stop: facts.requestedStop,
    restarting: facts.restarting,
    guest_exit_code: exitCode,
    guest_signal: signal,
    guest_error: "",
    exit_code: exitCode,
    signal,
    error: "",
    oom_killed: false,
    exited_at: facts.nowMs,
  };
}
