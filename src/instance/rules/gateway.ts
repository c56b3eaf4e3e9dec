import { RECHECK_MS, RECHECK_SLOW_MS, step, wait } from "../decisions.ts";
import type { ObservedGateway } from "../observation.ts";
import { START_DEADLINE_MS, startDeadline } from "../patience.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision } from "../step.ts";

const MINUTE_MS = 60_000;

/** The machine is up; null when the gateway in it is ready. */
export function gatewayFirst(
  state: InstanceState,
  gateway: ObservedGateway,
  now: number,
  rising: Status,
): Decision | null {
  switch (gateway.kind) {
    case "ready":
      return null;
    case "none":
      return waitForGateway(state, now, "the gateway was not asked", rising);
    case "unknown":
      return decideSilent(state, now, gateway.why, rising);
    case "starting":
      return waitForGateway(state, now, `the gateway is starting (${gateway.stage})`, rising);
    case "degraded":
      if (gateway.stage === SEALED_STAGE && mayRekey(state)) {
        const reason = "its environment can't be opened with the app's key";
        return step({ kind: "rekey" }, reason, rising, state.lastError);
      }
      return wait("time", now + RECHECK_MS, "the gateway is degraded", rising, {
        code: "gateway_degraded",
        message: `The gateway can't start: it failed at the stage "${gateway.stage}".`,
      });
    default:
      return gateway satisfies never;
  }
}

/** What the controller says when it can't open its environment (controller/sealed-env.ts). */
const SEALED_STAGE = "sealed_environment";

/** Once for each generation: a key that is right and does not open anything is not set again and again. */
function mayRekey({ ownApp, generation }: InstanceState): boolean {
  return ownApp !== null && ownApp.rekeyedFor !== generation;
}

/** An answer that did not come says nothing about a gateway that was ready before; silence that lasts does. */
function decideSilent(state: InstanceState, now: number, why: string, rising: Status): Decision {
  const silentSince = state.watched?.silentSince ?? now;
  if (now < silentSince + START_DEADLINE_MS) {
    if (state.status !== "running") return waitForGateway(state, now, why, rising);
    return wait("time", now + RECHECK_MS, `unconfirmed: ${why}`, "running");
  }
  return wait("time", now + RECHECK_SLOW_MS, why, rising, {
    code: "gateway_not_ready",
    message: `The machine is up, but its controller has been silent for ${START_DEADLINE_MS / MINUTE_MS} minutes.`,
  });
}

function waitForGateway(state: InstanceState, now: number, reason: string, status: Status): Decision {
  const deadline = startDeadline(state, now);
  if (now < deadline) return wait("gateway", deadline, reason, status);
  return wait("time", now + RECHECK_SLOW_MS, reason, status, {
    code: "gateway_not_ready",
    message: `The machine is up, but its gateway did not get ready in ${START_DEADLINE_MS / MINUTE_MS} minutes (${reason}).`,
  });
}
