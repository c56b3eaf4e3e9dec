import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayLink } from "./link.ts";
import type { GatewayProbe } from "./supervision.ts";

/** Questions without an answer in a row before a gateway counts as hung: one may fall into a long pause of its own. */
const MISSES_MAX = 3;
const ANSWER_MS_MAX = 10_000;

/**
 * Watches the gateway by the controller's own connection to it: ready when it lets the controller in, hung when it answers
 * nothing for `hangMs`. `health` is the cheapest question, a few milliseconds on both versions (openclaw-gateway.md §3.1).
 */
export function createProbe(link: GatewayLink, hangMs: number): GatewayProbe {
  const everyMs = hangMs / MISSES_MAX;
  return {
    ready: (signal) => link.connected(signal),
    left: () => link.ended(),
    async hung(signal) {
      for (let misses = 0; misses < MISSES_MAX;) {
        const isTime = await sleep(everyMs, true, { signal }).catch(() => false);
        if (!isTime) return false;
        const answer = await link.call("health", {}, Math.min(everyMs, ANSWER_MS_MAX));
        const isAlive = answer.kind === "answered" || answer.kind === "refused";
        misses = isAlive ? 0 : misses + 1;
      }
      return !signal.aborted;
    },
  };
}
