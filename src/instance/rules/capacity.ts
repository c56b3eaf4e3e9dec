import { step, wait } from "../decisions.ts";
import { lookAgainAt, openCreateMayAppear } from "../patience.ts";
import type { Snapshot } from "../observation.ts";
import { VOLUME_SIZE_GB } from "../sizes.ts";
import { type InstanceState, LEFTOVERS_MAX, type Status } from "../state.ts";
import type { Decision, Problem, VolumeSource } from "../step.ts";

const SECOND_MS = 1_000;
/** When nothing tells when a region may have room again. */
const RETRY_MS = 600 * SECOND_MS;

const NO_CAPACITY: Problem = { code: "no_capacity", message: "Fly has no room for it in any region." };

/**
 * Where something new is to be made: the first region by priority that is not known to be full. When all are, a person who
 * asks has the one tried that was full the longest; null otherwise.
 */
export function nextRegion(state: InstanceState, now: number, except: string | null = null): string | null {
  const regions = state.regions.filter((region) => region !== except);
  const free = regions.find((region) => !isFull(state, region, ["region"], now));
  if (free !== undefined) return free;
  if (state.capacityTries > 0) return null;
  const untilOf = (region: string): number =>
    state.fullRegions.find((full) => full.region === region && full.scope === "region")?.until ?? 0;
  return regions.toSorted((a, b) => untilOf(a) - untilOf(b))[0] ?? null;
}

/** Whether there was no room for a machine on the host of our volume, a moment ago. */
export function isHostFull(state: InstanceState, region: string, now: number): boolean {
  return isFull(state, region, ["region", "host"], now);
}

/**
 * A place for the machine away from its volume: a candidate in another region, or, as the last one, on another host of the same.
 * With data it is a copy; the volume itself stays until a machine is ready on the candidate.
 */
export function candidateElsewhere(
  state: InstanceState,
  now: number,
  status: Status,
  reason: string,
  snapshot: Snapshot | null,
): Decision {
  const { volume } = state;
  if (openCreateMayAppear(state, "machine")) {
    return wait("time", lookAgainAt(state, now), "a machine may still appear", status, state.lastError);
  }
  const region =
    nextRegion(state, now, volume?.region ?? null) ??
    (volume !== null && !isFull(state, volume.region, ["region"], now) ? volume.region : null);
  // What a candidate may leave behind must find its place in the record.
  if (region === null || state.leftovers.length + 2 > LEFTOVERS_MAX) return noCapacity(state, now, status);
  return step(
    {
      kind: "create_candidate",
      name: state.volumeName,
      region,
      sizeGb: volume?.sizeGb ?? VOLUME_SIZE_GB,
      source: sourceOf(state, snapshot),
    },
    reason,
    status,
    state.lastError,
  );
}

/** All regions failed: told, with the instant at which the first of them is tried again. */
export function noCapacity(state: InstanceState, now: number, status: Status): Decision {
  const untils = state.fullRegions.map(({ until }) => until).filter((until) => until > now);
  return wait("time", Math.min(...untils, now + RETRY_MS), NO_CAPACITY.message, status, NO_CAPACITY);
}

function sourceOf({ volume }: InstanceState, snapshot: Snapshot | null): VolumeSource {
  if (snapshot !== null) return { kind: "snapshot", snapshotId: snapshot.id, createdAt: snapshot.createdAt };
  return volume !== null && volume.hasData ? { kind: "fork", volumeId: volume.id } : { kind: "empty" };
}

function isFull(state: InstanceState, region: string, scopes: ("region" | "host")[], now: number): boolean {
  return state.fullRegions.some(
    (full) => full.region === region && scopes.includes(full.scope) && full.until > now,
  );
}
