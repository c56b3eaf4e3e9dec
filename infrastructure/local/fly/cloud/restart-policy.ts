import type { Exit } from "../runtime/runtime.ts";
import type { Machine } from "../state/model.ts";

/** Fly counts the restarts of the last five minutes against `max_retries`. */
const windowMs = 5 * 60 * 1000;
const retriesDefault = 10;

/** What becomes of a machine whose program has ended by itself. */
export type AfterExit =
  | { kind: "restart"; delayMs: number; restarts: number[] }
  | { kind: "stop" }
  | { kind: "destroy" };

/**
 * Applies `config.restart` and `config.auto_destroy`. Without a policy it is `on-failure` with ten retries. The delay
 * doubles with each restart in the window, up to `backoffMsMax`.
 */
export function afterExit(
  machine: Machine,
  exit: Exit,
  facts: { nowMs: number; backoffMs: number; backoffMsMax: number },
): AfterExit {
  const recent = machine.restarts.filter((at) => at > facts.nowMs - windowMs);
  if (!shallRestart(machine, exit, recent.length)) {
    return machine.config.auto_destroy === true ? { kind: "destroy" } : { kind: "stop" };
  }
  const delayMs = Math.min(facts.backoffMsMax, facts.backoffMs * 2 ** Math.min(recent.length, 30));
  return { kind: "restart", delayMs, restarts: [...recent, facts.nowMs].slice(-restartsKeptMax) };
}

/** More than any `max_retries` in use; with `always` the list would grow without it. */
const restartsKeptMax = 100;

function shallRestart(machine: Machine, exit: Exit, recentRestarts: number): boolean {
  const policy = machine.config.restart?.policy ?? "on-failure";
  switch (policy) {
    case "no":
      return false;
    case "always":
      return true;
    case "on-failure":
    case "spot-price":
      return exit.code !== 0 && recentRestarts < (machine.config.restart?.max_retries ?? retriesDefault);
    default:
      return policy satisfies never;
  }
}
