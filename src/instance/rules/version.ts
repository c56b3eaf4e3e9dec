import { step } from "../decisions.ts";
import type { PresentMachine } from "../observation.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision } from "../step.ts";

/** The gateway is ready: what runs there is asked once for each time that the machine came up, and is never in the way. */
export function versionFirst(
  state: InstanceState,
  machine: PresentMachine,
  now: number,
  status: Status,
): Decision | null {
  const { ran, unanswered } = state;
  if (ran !== null || (unanswered !== null && unanswered.againAt > now)) return null;
  const { id, instanceId, startedAt, generation, imageDigest } = machine;
  const reason = unanswered === null ? "the machine came up" : "it did not answer before";
  return step({ kind: "ask_version", id, instanceId, startedAt, generation, imageDigest }, reason, status);
}
