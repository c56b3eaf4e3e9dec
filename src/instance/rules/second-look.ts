import { step } from "../decisions.ts";
import type { Observation } from "../observation.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision, Left } from "../step.ts";

/** What lists hid before, and nobody knows of, is found and reported; null when nothing was looked for. */
export function secondLook(
  state: InstanceState,
  { inventory, machine: seen }: Observation,
  status: Status,
): Decision | null {
  switch (inventory.kind) {
    case "none":
      return null;
    case "unknown":
      return step({ kind: "postpone_inventory" }, "Fly did not tell what exists", status, state.lastError);
    case "seen":
      break;
    default:
      return inventory satisfies never;
  }
  const { machine, volume, candidate, leftovers } = state;
  // What its machine mounts is followed, not reported.
  const mounted = seen.kind === "present" ? seen.mount?.volumeId : undefined;
  const known = new Set([machine?.id, volume?.id, candidate?.id, mounted, ...leftovers.map(({ id }) => id)]);
  const found = [
    ...inventory.machines.map(({ id }): Left => ({ kind: "machine", id })),
    ...inventory.volumes.map(({ id }): Left => ({ kind: "volume", id })),
  ].filter(({ id }) => !known.has(id));
  const reason = found.length === 0 ? "nothing else of the instance exists" : "nobody knew of it";
  return step({ kind: "note_found", found }, reason, status, state.lastError);
}
