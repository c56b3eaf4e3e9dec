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
  return askVersion(
    machine,
    unanswered === null ? "the machine came up" : "it did not answer before",
    status,
  );
}

/** Asks what runs in the machine in its present run. */
export function askVersion(
  { id, instanceId, startedAt, generation, imageDigest }: PresentMachine,
  reason: string,
  status: Status,
): Decision {
  return step({ kind: "ask_version", id, instanceId, startedAt, generation, imageDigest }, reason, status);
}
