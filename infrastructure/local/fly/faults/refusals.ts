import { Refusal } from "../refusal.ts";
import type { HostRefusal } from "./hosts.ts";

/** Fly's words for what the faults refuse (contracts/fly-machines-api §4.2, §4.5, §6.5). */
export const faultRefusals = {
  /** C2. */
  noHostInRegion: () => new Refusal(422, "could not find a candidate host", "insufficient_capacity"),
  /** C3. */
  noRoomBesideVolume: (volumeId: string) =>
    new Refusal(
      412,
      `insufficient resources to create new machine with existing volume '${volumeId}'`,
      "volume_placement_capacity",
    ),
  /** C4. */
  noRoomOnHost: () =>
    new Refusal(
      409,
      "aborted: could not reserve resource for machine: insufficient memory available to fulfill request",
    ),
  /** C7. */
  overQuota: (organization: string, region: string) =>
    new Refusal(
      403,
      `organization "${organization}" is using 1970176 MB of memory in ${region} which is over the allowed quota. please consider other regions`,
    ),
  claimed: (holder: string) =>
    new Refusal(412, `failed_precondition: volume already claimed by machine ${holder}`),
  bound: (holder: string) =>
    new Refusal(412, `failed_precondition: volume is currently bound to machine: ${holder}`),
  foreignApp: () => new Refusal(403, "unauthorized"),
  appNameTaken: () => new Refusal(422, "Validation failed: Name has already been taken", "name_taken"),
  concurrentUpdate: () => new Refusal(409, "aborted: machine update failed due to concurrent update"),
  /** No text for it is known; these have the forms of their neighbours. */
  hostIsDown: (status: HostRefusal) =>
    new Refusal(
      status,
      status === 408
        ? "deadline_exceeded: request to the host timed out"
        : "unavailable: host is unreachable",
    ),
};
