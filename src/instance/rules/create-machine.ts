import { RECHECK_MS, step, unknown, wait, waitForHost } from "../decisions.ts";
import { machineNameOf } from "../names.ts";
import type { Observation, PresentVolume } from "../observation.ts";
import { tooManyBringUps } from "../patience.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision } from "../step.ts";
import { candidateElsewhere, isHostFull } from "./capacity.ts";
import { leftoverNext } from "./leftovers.ts";
import { placeFor } from "./storage.ts";

/** Refusals in a row of a create, over some ten minutes, because the volume is still claimed (fly-machines-api.md F-18). */
const CLAIM_REFUSALS_MAX = 14;

/** A machine is wanted and there is none: made where its volume is, or where a copy of it can be. */
export function createMachine(
  state: InstanceState,
  seen: Observation,
  now: number,
  rising: Status,
): Decision {
  const left = leftoverNext(state, seen, rising, now);
  if (left !== null) return left;
  const place = placeFor(state, seen, now, rising);
  if (place.kind === "first") return place.decision;
  const { volume } = place;
  if (volume.id !== state.candidate?.id) {
    const elsewhere = placeElsewhere(state, volume, now, rising);
    if (elsewhere !== null) return elsewhere;
  }
  const held = decideHolder(volume, now, rising);
  if (held !== null) return held;
  return (
    tooManyBringUps(state, now, "", rising, state.lastError) ??
    step(
      {
        kind: "create_machine",
        name: machineNameOf(state.sandboxId, state.machineNames),
        region: volume.region,
        volumeId: volume.id,
      },
      "a machine is wanted and there is none",
      rising,
      state.lastError,
    )
  );
}

/** Why a machine can't be made where the volume is, and what is made elsewhere instead. */
function placeElsewhere(
  state: InstanceState,
  volume: PresentVolume,
  now: number,
  rising: Status,
): Decision | null {
  if (!volume.isReachable) {
    // What Fly tells of a host that is away may be old, so our own knowledge of data counts as well.
    const mayHaveData = volume.hasData || state.volume?.hasData === true;
    return volume.snapshot === null && mayHaveData
      ? waitForHost(rising, now)
      : candidateElsewhere(state, now, rising, "the volume's host is away", volume.snapshot);
  }
  const { lastError } = state;
  const isClaimed = lastError?.code === "volume_busy" && lastError.attempts >= CLAIM_REFUSALS_MAX;
  if (volume.holder?.is === "given_up" || (isClaimed && volume.holder?.is !== "stranger")) {
    return candidateElsewhere(
      state,
      now,
      rising,
      "a machine that is gone, or can't be destroyed, holds the volume",
      null,
    );
  }
  if (state.capacityTries > 0 && isHostFull(state, volume.region, now)) {
    return candidateElsewhere(state, now, rising, "the volume's host has no room", null);
  }
  return null;
}

function decideHolder({ holder }: PresentVolume, now: number, rising: Status): Decision | null {
  if (holder === null) return null;
  switch (holder.is) {
    // Fly names a holder for minutes after it is gone; whether it still counts, the create will tell.
    case "gone":
    case "given_up":
      return null;
    case "ours":
      return step({ kind: "note_machine", id: holder.id }, "it holds the volume", rising);
    case "unknown":
      return unknown({ code: "fly_unreachable", why: "Fly does not tell who holds the volume" }, rising, now);
    case "stranger":
      return wait("time", now + RECHECK_MS, "somebody else's machine holds the volume", rising, {
        code: "volume_busy",
        message: `The volume is bound to machine ${holder.id}, which is not this instance's.`,
      });
    default:
      return holder.is satisfies never;
  }
}
