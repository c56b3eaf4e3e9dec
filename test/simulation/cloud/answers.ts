/** What Fly says to a call, before it is put into bytes. */
export type Answer<T> = { ok: true; status: number; body: T } | Refusal;

export type Refusal = {
  ok: false;
  status: number;
  /** The body as sent: JSON of Fly's envelope, or what a proxy in front of it says. */
  text: string;
  /** In seconds, where there is the header. */
  retryAfterS: number | null;
};

/** An answer at once, or to be given later; what is returned then takes the asker away. */
export type Handled<T> = Answer<T> | Later<T>;
type Later<T> = (reply: (answer: Answer<T>) => void) => () => void;

/** What Fly answers when it has done what was asked. */
export function ok<T>(body: T, status = 200): Answer<T> {
  return { ok: true, status, body };
}

/** A refusal in Fly's envelope; `code` is the `status` field that newer answers carry. */
export function refuse(status: number, error: string, code?: string): Refusal {
  const envelope = code === undefined ? { error } : { error, status: code };
  return { ok: false, status, text: JSON.stringify(envelope), retryAfterS: null };
}

/** The exact texts of fly-machines-api.md §2, §4 and §6.5. */
export const REFUSALS = {
  appMissing: () => refuse(404, "app not found"),
  appNameTaken: () => refuse(422, "Validation failed: Name has already been taken", "name_taken"),
  appOfOthers: () => refuse(403, "unauthorized"),
  machineMissing: () => refuse(404, "not_found: machine not found"),
  volumeMissing: () => refuse(404, "volume not found"),
  mountMissing: () => refuse(400, "invalid_argument: volume does not exist"),
  snapshotMissing: () => refuse(404, "snapshot not found"),
  nameTaken: (id: string, name: string) =>
    refuse(
      409,
      `already_exists: unique machine name violation, machine ID ${id} already exists with name "${name}"`,
    ),
  /** Not among the texts that were seen: stands for one that nobody can read the holder from. */
  nameTakenUnreadably: () => refuse(409, "already_exists: unique machine name violation"),
  noHost: () => refuse(422, "could not find a candidate host", "insufficient_capacity"),
  noVolumeRoom: () => refuse(400, "no capacity"),
  volumeHostFull: (volumeId: string) =>
    refuse(
      412,
      `insufficient resources to create new machine with existing volume '${volumeId}'`,
      "volume_placement_capacity",
    ),
  hostFull: () =>
    refuse(
      409,
      "aborted: could not reserve resource for machine: insufficient memory available to fulfill request",
    ),
  quota: (region: string) =>
    refuse(
      403,
      `organization "Kilo" is using 1970176 MB of memory in ${region} which is over the allowed quota. please consider other regions`,
    ),
  wrongRegion: (volumeId: string, is: string, asked: string) =>
    refuse(400, `Mounts source volume "${volumeId}" is in the wrong region ("${is}" != "${asked}")`),
  volumeClaimed: (holder: string) =>
    refuse(412, `failed_precondition: volume already claimed by machine ${holder}`),
  volumeBound: (holder: string) =>
    refuse(412, `failed_precondition: volume is currently bound to machine: ${holder}`),
  secretsNotSeen: (version: number) =>
    refuse(412, `min_secrets_version ${version} is not yet available on this app`),
  leased: (id: string, holder: string, until: number) =>
    refuse(
      409,
      `machine ID ${id} lease currently held by ${holder}, expires at ${new Date(until).toISOString()}`,
    ),
  cannotStart: (state: string) =>
    refuse(412, `failed_precondition: unable to start machine from current state: '${state}'`),
  gettingReplaced: () => refuse(412, "failed_precondition: machine getting replaced, refusing to start"),
  stillActive: () => refuse(412, "failed_precondition: machine still active, refusing to start"),
  stillStarting: () => refuse(409, "aborted: machine still attempting to start"),
  concurrentUpdate: () => refuse(409, "aborted: machine update failed due to concurrent update"),
  notStopped: () =>
    refuse(
      412,
      "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created",
    ),
  notReached: (wanted: string, current: string) =>
    refuse(408, `deadline_exceeded: machine failed to reach desired state, ${wanted}, currently ${current}`),
  versionNeeded: () => refuse(400, "instance_id required when waiting for stopped machine"),
  waitTooLong: () =>
    refuse(
      400,
      "invalid_argument: invalid WaitMachineRequest.Timeout: value must be inside range [1s, 1m0s]",
    ),
  hostAway: () => refuse(408, "deadline_exceeded: context deadline exceeded"),
  hostUnavailable: () => refuse(503, "unavailable: host is unreachable"),
  snapshotScheduled: (at: number) =>
    refuse(412, `failed_precondition: snapshot is already scheduled at ${new Date(at).toISOString()}`),
} as const;
