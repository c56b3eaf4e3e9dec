import type { InstanceState } from "./state.ts";
import type { Step, VolumeSource } from "./step.ts";

/** Something that the user and the operator are to know, though nothing is in the way. */
export type Warning = { what: "data_loss" | "more_than_one" | "forgotten"; why: string };

/** What is to be said when a step is begun; null for nearly all. A repeated create says it once. */
export function warningOf(state: InstanceState, step: Step): Warning | null {
  switch (step.kind) {
    case "create_volume":
      if (!step.isReplacement || state.volume?.hasData !== true || state.creating?.kind === "volume")
        return null;
      return {
        what: "data_loss",
        why: `Fly lost the volume ${state.volume.id}; ${replacedBy(step.source)}.`,
      };
    case "adopt_volume":
      if (!step.replacesLost || state.volume?.hasData !== true || state.creating?.kind === "volume")
        return null;
      return {
        what: "data_loss",
        why: `Fly lost the volume ${state.volume.id}; the instance goes on with ${step.id}, and what is newer is lost.`,
      };
    case "create_machine":
      if (state.candidate?.isOlderCopy !== true || state.candidate.id !== step.volumeId) return null;
      if (state.creating?.kind === "machine") return null;
      return {
        what: "data_loss",
        why:
          `The host of the volume ${state.volume?.id ?? ""} stays away; the instance goes on with a copy from its newest ` +
          "snapshot. The volume itself is kept for seven days.",
      };
    case "recover":
      if (step.others.length === 0) return null;
      return {
        what: "more_than_one",
        why: `More of this instance was found than it needs, and is kept: ${step.others.map(({ id }) => id).join(", ")}.`,
      };
    default:
      return null;
  }
}

function replacedBy(source: VolumeSource): string {
  return source.kind === "snapshot"
    ? `it is replaced from its snapshot ${source.snapshotId} of ${source.createdAt}, and what is newer is lost`
    : "there was no snapshot, so it is replaced by an empty one";
}
