import { type ImageDrift, imageDriftOf } from "./drift.ts";
import type { InstanceState } from "./state.ts";
import type { Step, VolumeSource } from "./step.ts";

/** Something that the user and the operator are to know, though nothing is in the way. */
export type Warning = {
  what: "data_loss" | "settings_lost" | "more_than_one" | "forgotten" | "version_drift";
  why: string;
};

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
  const drift = driftWarnings(before, after);
  if (before.settingsLost || !after.settingsLost) return drift;
  const why =
    "What the user had set could not be read from the machine; it runs as it is until it is provisioned anew.";
  return [...drift, { what: "settings_lost", why }];
}

/** What is to be said of an image that is not the one it should be: once, when it is found. */
export function driftWarnings(before: InstanceState, after: InstanceState): Warning[] {
  const known = new Set(imageDriftOf(before).map(sentenceOf));
  return imageDriftOf(after)
    .map(sentenceOf)
    .filter((why) => !known.has(why))
    .map((why) => ({ what: "version_drift", why }));
}

function sentenceOf(drift: ImageDrift): string {
  switch (drift.kind) {
    case "image":
      return `The machine runs from ${drift.running}, and ${drift.ordered} is ordered.`;
    case "reported_digest":
      return `The machine says that it runs from ${drift.reported}, and Fly says ${drift.running}: it is not believed.`;
    default:
      return drift satisfies never;
  }
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
