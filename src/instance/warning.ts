import type { InstanceState } from "./state.ts";
import type { Step, VolumeSource } from "./step.ts";

/** Something that the user and the operator are to know, though nothing is in the way. */
export type Warning = { what: "data_loss" | "more_than_one" | "forgotten"; why: string };

/** What is to be said when a step is begun; null for nearly all. A repeated create says it once. */
export function warningOf(state: InstanceState, step: Step): Warning | null {
  const why = dataLossOf(state, step);
  if (why !== null) return { what: "data_loss", why };
  if (step.kind !== "recover" || step.others.length === 0) return null;
  const ids = step.others.map(({ id }) => id).join(", ");
  return {
    what: "more_than_one",
    why: `More of this instance was found than it needs, and is kept: ${ids}.`,
  };
}

function dataLossOf({ volume, candidate, creating }: InstanceState, step: Step): string | null {
  if (step.kind === "create_volume" && step.isReplacement) {
    if (volume?.hasData !== true || creating?.kind === "volume") return null;
    return `Fly lost the volume ${volume.id}; ${replacedBy(step.source)}.`;
  }
  if (step.kind === "adopt_volume" && step.replacesLost) {
    if (volume?.hasData !== true || creating?.kind === "volume") return null;
    return `Fly lost the volume ${volume.id}; the instance goes on with ${step.id}, and what is newer is lost.`;
  }
  if (step.kind !== "create_machine" || candidate?.id !== step.volumeId || !candidate.isOlderCopy)
    return null;
  if (creating?.kind === "machine") return null;
  return (
    `The host of the volume ${volume?.id ?? ""} stays away; the instance goes on with a copy from its newest snapshot. ` +
    "The volume itself is kept for seven days."
  );
}

function replacedBy(source: VolumeSource): string {
  return source.kind === "snapshot"
    ? `it is replaced from its snapshot ${source.snapshotId} of ${source.createdAt}, and what is newer is lost`
    : "there was no snapshot, so it is replaced by an empty one";
}
