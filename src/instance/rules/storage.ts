import { LOOK_AGAIN_MS, step, unknown, wait } from "../decisions.ts";
import type { Observation, ObservedVolume, PresentVolume } from "../observation.ts";
import { CLOCK_SKEW_MS, isVolumeLost, lookAgainAt, notVisibleYet, openCreateMayAppear } from "../patience.ts";
import { VOLUME_SIZE_GB } from "../sizes.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision, VolumeSource } from "../step.ts";
import { nextRegion, noCapacity } from "./capacity.ts";

const SECOND_MS = 1_000;
/** Refusals in a row of a restore, over some six minutes, after which the snapshot is taken for one that can't be restored. */
const RESTORE_REFUSALS_MAX = 10;

export const VOLUME_NOT_ASKED = { code: "fly_unreachable", why: "the volume was not asked for" } as const;

/** A volume of our own, before anything needs it; null when there is nothing to do about it. */
export function volumeFirst(
  state: InstanceState,
  { volume, askedAt }: Observation,
  now: number,
  status: Status,
): Decision | null {
  if (volume.kind === "unknown") return unknown(volume, status, now);
  if (volume.kind === "none") return unknown(VOLUME_NOT_ASKED, status, now);
  if (volume.kind === "present") {
    if (volume.id === state.volume?.id) return null;
    const { id, region, holder } = volume;
    const sizeGb = volume.sizeGb ?? VOLUME_SIZE_GB;
    // Found by its name, with a machine that no record knows: that is looked at before anything else.
    if (holder?.is === "ours") {
      return step({ kind: "note_machine", id: holder.id }, "it holds the volume of our name", status);
    }
    const { creating } = state;
    // Only of what was asked for as empty it is known that there can be nothing on it.
    const isAsked = creating?.kind === "volume" && volume.createdAt >= creating.sentAt - CLOCK_SKEW_MS;
    const hasData = volume.hasData || !isAsked || creating.source !== "empty";
    const reason =
      state.volume === null ? "a volume of our name exists" : "it has our name, and the stored one is gone";
    return step(
      { kind: "adopt_volume", id, region, sizeGb, hasData, replacesLost: state.volume !== null },
      reason,
      status,
    );
  }
  if (notVisibleYet(state.volume, askedAt)) {
    return wait("time", now + SECOND_MS, "the new volume is not visible yet", status);
  }
  if (state.volume !== null && !isVolumeLost(state)) {
    return wait("time", now + LOOK_AGAIN_MS, "the volume is looked for again before it is replaced", status, {
      code: "volume_missing",
      message: `Fly no longer knows the volume ${state.volume.id}.`,
    });
  }
  if (openCreateMayAppear(state, "volume")) {
    return wait("time", lookAgainAt(state, now), "a volume may still appear", status, state.lastError);
  }
  return formerVolume(state, volume, status) ?? makeVolume(state, volume, now, status);
}

/** The volume that the lost one was a copy of, while it is kept, unless a snapshot of the lost one is newer. */
function formerVolume(
  { leftovers }: InstanceState,
  { snapshot, former }: Extract<ObservedVolume, { kind: "absent" }>,
  status: Status,
): Decision | null {
  if (former === null) return null;
  const since = leftovers.find((left) => left.id === former.id)?.since ?? 0;
  if (snapshot !== null && snapshot.at > since) return null;
  const { id, region, sizeGb } = former;
  return step(
    { kind: "adopt_volume", id, region, sizeGb: sizeGb ?? VOLUME_SIZE_GB, hasData: true, replacesLost: true },
    "the volume is gone, and the one before it is still there",
    status,
  );
}

/** From the newest snapshot of a volume that is lost, where there is one; else empty. */
function makeVolume(
  state: InstanceState,
  { snapshot }: Extract<ObservedVolume, { kind: "absent" }>,
  now: number,
  status: Status,
): Decision {
  const isReplacement = state.volume !== null;
  const { lastError } = state;
  const isRefused = lastError?.code === "fly_refused" && lastError.attempts >= RESTORE_REFUSALS_MAX;
  const source: VolumeSource =
    isReplacement && snapshot !== null && !isRefused
      ? { kind: "snapshot", snapshotId: snapshot.id, createdAt: snapshot.createdAt }
      : { kind: "empty" };
  const region = nextRegion(state, now);
  if (region === null) return noCapacity(state, now, status);
  const sizeGb = state.volume?.sizeGb ?? VOLUME_SIZE_GB;
  return step(
    { kind: "create_volume", name: state.volumeName, region, sizeGb, source, isReplacement },
    isReplacement ? "the volume is gone" : "there is no volume yet",
    status,
    lastError,
  );
}

/** What the machine is made on: the candidate where there is one, else the instance's volume; or what comes before that. */
export function placeFor(
  state: InstanceState,
  seen: Observation,
  now: number,
  status: Status,
): { kind: "place"; volume: PresentVolume } | { kind: "first"; decision: Decision } {
  const candidate = candidateFirst(state, seen, now, status);
  if (candidate !== null) return { kind: "first", decision: candidate };
  if (state.candidate !== null && seen.candidate.kind === "present") {
    return { kind: "place", volume: seen.candidate };
  }
  const first = volumeFirst(state, seen, now, status);
  if (first !== null) return { kind: "first", decision: first };
  if (seen.volume.kind === "present") return { kind: "place", volume: seen.volume };
  return { kind: "first", decision: unknown(VOLUME_NOT_ASKED, status, now) };
}

/** A candidate that is under way is waited for and taken over; one that is gone is forgotten. */
export function candidateFirst(
  state: InstanceState,
  { candidate, askedAt }: Observation,
  now: number,
  status: Status,
): Decision | null {
  const isOpen = state.creating?.kind === "candidate";
  if (state.candidate === null && !isOpen) return null;
  switch (candidate.kind) {
    case "none":
      return unknown({ code: "fly_unreachable", why: "the candidate was not asked for" }, status, now);
    case "unknown":
      return unknown(candidate, status, now);
    case "present":
      if (state.candidate !== null) return null;
      return step(
        {
          kind: "adopt_candidate",
          id: candidate.id,
          region: candidate.region,
          sizeGb: candidate.sizeGb ?? state.volume?.sizeGb ?? VOLUME_SIZE_GB,
        },
        "the copy that was asked for exists",
        status,
      );
    case "absent":
      if (notVisibleYet(state.candidate, askedAt) || openCreateMayAppear(state, "candidate")) {
        return wait("time", lookAgainAt(state, now), "a copy may still appear", status, state.lastError);
      }
      return state.candidate === null
        ? step({ kind: "clear_create" }, "the copy was not made", status)
        : step({ kind: "drop_candidate" }, "the copy is gone", status);
    default:
      return candidate satisfies never;
  }
}

/** A candidate that nobody needs any more goes, once nothing of it is open. */
export function dropCandidate(state: InstanceState, status: Status): Decision | null {
  if (state.candidate === null || state.creating !== null) return null;
  return step({ kind: "drop_candidate" }, "the machine stays where it is", status);
}
