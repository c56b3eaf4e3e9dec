import { step } from "../decisions.ts";
import type { Observation } from "../observation.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision } from "../step.ts";

/** What was seen longer ago is looked at again before anything is deleted on it. */
const KNOWN_MS_MAX = 5_000;

/** What is not needed any more goes, one at a time and after everything else; null when none is due. */
export function leftoverNext(
  state: InstanceState,
  { leftover: seen, askedAt }: Observation,
  status: Status,
  now: number,
): Decision | null {
  if (seen.kind === "none") return null;
  const known = state.leftovers.find(({ id }) => id === seen.id);
  if (known === undefined) return null;
  const left = { kind: known.kind, id: known.id };
  switch (seen.kind) {
    case "absent":
      if (askedAt < known.visibleFrom) {
        return step({ kind: "postpone_leftover", left }, "it may still appear", status, state.lastError);
      }
      return step({ kind: "forget_leftover", left }, "it is gone", status, state.lastError);
    case "present":
      // While the instance is kept, what takes its place must have been there a moment ago.
      if (state.intent !== "destroyed" && now > askedAt + KNOWN_MS_MAX) {
        return step({ kind: "postpone_leftover", left }, "the look took too long", status, state.lastError);
      }
      return step({ kind: "delete_leftover", left }, "it is not needed any more", status, state.lastError);
    case "unknown":
      return step({ kind: "postpone_leftover", left }, "Fly did not tell of it", status, state.lastError);
    default:
      return seen satisfies never;
  }
}
