import type { InstanceState } from "./state.ts";
import type { Step, VolumeSource } from "./step.ts";

/** Something that the user and the operator are to know, though nothing is in the way. */
export type Warning = { what: "data_loss" | "settings_lost" | "more_than_one" | "forgotten"; why: string };

/** What is to be said when a step is begun. */
export function warningsOf(state: InstanceState, step: Step): Warning[] {
  const loss = lossOf(state, step);
  const found = step.kind === "recover" ? step.others : step.kind === "note_found" ? step.found : [];
  return [
    ...(loss === null ? [] : [{ what: "data_loss", why: loss.why } as const]),
    ...(found.length > 0
      ? [
          {
            what: "more_than_one",
            why: `More of this instance was found than it needs, and is kept: ${found.map(({ id }) => id).join(", ")}.`,
          } as const,
        ]
      : []),
  ];
}

/** What is to be said of what a step brought to light. */
export function warningsAfter(before: InstanceState, after: InstanceState): Warning[] {
  if (before.settingsLost || !after.settingsLost) return [];
  const why =
    "What the user had set could not be read from the machine; it runs as it is until it is provisioned anew.";
  return [{ what: "settings_lost", why }];
}

/** The data that is lost with a step, told once for each volume or copy; null for nearly all. */
export function lossOf(
  { volume, candidate, toldLossOf }: InstanceState,
  step: Step,
): { id: string; why: string } | null {
  const loss = (id: string, why: string) => (id === toldLossOf ? null : { id, why });
  if (step.kind === "create_volume" && step.isReplacement && volume?.hasData === true) {
    return loss(volume.id, `Fly lost the volume ${volume.id}; ${replacedBy(step.source)}.`);
  }
  if (step.kind === "adopt_volume" && step.replacesLost && volume?.hasData === true) {
    const why = `Fly lost the volume ${volume.id}; the instance goes on with ${step.id}, and what is newer is lost.`;
    return loss(volume.id, why);
  }
  if (step.kind === "recover" && step.volume === null && step.intent !== "destroyed") {
    return loss("", "Nothing of this instance was found at Fly, neither a machine nor a volume.");
  }
  if (step.kind !== "create_machine" || candidate?.id !== step.volumeId || !candidate.isOlderCopy)
    return null;
  return loss(
    candidate.id,
    `The host of the volume ${volume?.id ?? ""} stays away; the instance goes on with a copy from its newest snapshot. ` +
      "The volume itself is kept for seven days.",
  );
}

function replacedBy(source: VolumeSource): string {
  return source.kind === "snapshot"
    ? `it is replaced from its snapshot ${source.snapshotId} of ${source.createdAt}, and what is newer is lost`
    : "there was no snapshot, so it is replaced by an empty one";
}
