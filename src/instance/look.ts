import type { FlyClient } from "../fly/client.ts";
import type { FlyError } from "../fly/errors.ts";
import { type FlyMachine, type FlyVolume, isVolumeGone } from "../fly/schemas.ts";
import {
  GENERATION_MAX,
  generationIn,
  isMachineNameOf,
  METADATA_GENERATION,
  METADATA_SANDBOX,
  METADATA_USER,
  VOLUME_PATH,
} from "./names.ts";
import type { MountOptions, ObservedMachine, PresentVolume, Snapshot, Unknown } from "./observation.ts";
import { phaseOf } from "./phase.ts";
import { sizeOf } from "./sizes.ts";
import type { InstanceState, ProblemCode } from "./state.ts";

/** What a call that failed says of the world: nothing. Fly's own words stay in the operator's log. */
export function unknown(error: FlyError): Unknown {
  const { kind, status } = error;
  if (kind === "unauthorized") return notTold("Fly refused the Worker's token", false, "fly_unauthorized");
  if (kind === "rate_limited") {
    const { retryAfterMs } = error;
    return { ...notTold("Fly asks for fewer calls", false, "fly_busy"), retryAfterMs };
  }
  const why = status === null ? "Fly did not answer" : `Fly answered ${status}`;
  return notTold(why, false);
}

/** Fly answered, or did not, and either way told nothing. */
export function notTold(why: string, isThere: boolean, code: ProblemCode = "fly_unreachable"): Unknown {
  return { kind: "unknown", code, why, isThere, retryAfterMs: null };
}

/** In an app of the tenant's own, a missing app tells that nothing of it exists. */
export function isGone(state: InstanceState, error: FlyError): boolean {
  return error.kind === "not_found" || (error.kind === "app_missing" && state.ownApp !== null);
}

/** The machine of this id: one call. */
export async function lookAtMachine(
  state: InstanceState,
  fly: FlyClient,
  id: string,
): Promise<ObservedMachine> {
  const answer = await fly.getMachine(state.appName, id);
  if (!answer.ok) return isGone(state, answer.error) ? { kind: "absent" } : unknown(answer.error);
  const machine = answer.value;
  const phase = phaseOf(machine.state);
  if (phase === "gone") return { kind: "absent" };
  // Fly keeps the last state of a machine whose host is gone (fly-machines-api.md §5.2); it tells nothing.
  if (machine.host_status === "unreachable") return { kind: "unreachable", id };
  if (phase === null) {
    const why = `Fly reports the machine as "${machine.state}"`;
    return notTold(why, true);
  }
  const config = machine.config ?? machine.incomplete_config;
  if (config === undefined || config === null) {
    const why = "Fly does not tell whose machine it is";
    return notTold(why, true);
  }
  const { metadata } = config;
  const mount = config.mounts?.[0];
  return {
    kind: "present",
    id: machine.id,
    instanceId: machine.instance_id ?? "",
    phase,
    flyState: machine.state,
    ours: isOurs(state, machine, metadata ?? {}),
    generation: generationIn(metadata, GENERATION_MAX),
    mount:
      mount?.volume === undefined
        ? null
        : { volumeId: mount.volume, isRightPath: mount.path === VOLUME_PATH, options: optionsOf(mount) },
    size: sizeOf(config.guest),
    metadata: otherMetadata(metadata ?? {}),
    exit: describeExit(machine),
    startedAt: startedAtOf(machine),
    imageDigest: machine.image_ref?.digest ?? null,
    createdAt: machine.created_at ?? "",
  };
}

/**
 * A machine can rewrite its own metadata (fly-machines-api.md §1.1), so that alone neither makes one ours nor takes it from us: the
 * name, which it can't change, must be ours too, and what was compared once stays ours.
 */
function isOurs(state: InstanceState, { id, name }: FlyMachine, metadata: Record<string, string>): boolean {
  if (state.machine?.verified === true && state.machine.id === id) return true;
  return (
    metadata[METADATA_USER] === state.userId &&
    metadata[METADATA_SANDBOX] === state.sandboxId &&
    name !== undefined &&
    isMachineNameOf(state.sandboxId, name, state.machineNames)
  );
}

function optionsOf(mount: NonNullable<NonNullable<FlyMachine["config"]>["mounts"]>[number]): MountOptions {
  const { extend_threshold_percent: threshold, add_size_gb: step, size_gb_limit: limit } = mount;
  return {
    ...(threshold === undefined ? {} : { extend_threshold_percent: threshold }),
    ...(step === undefined ? {} : { add_size_gb: step }),
    ...(limit === undefined ? {} : { size_gb_limit: limit }),
  };
}

function otherMetadata(metadata: Record<string, string>): Record<string, string> {
  const ours = new Set([METADATA_USER, METADATA_SANDBOX, METADATA_GENERATION]);
  const others = Object.entries(metadata).filter(([key]) => !ours.has(key));
  return Object.fromEntries(others.slice(0, OTHER_METADATA_MAX));
}

/** Far more than a person sets by hand. */
const OTHER_METADATA_MAX = 32;

function describeExit(machine: FlyMachine): string | null {
  const exit = machine.events?.find(({ type }) => type === "exit")?.request?.exit_event;
  if (exit === undefined || exit.requested_stop === true) return null;
  if (exit.oom_killed === true) return "it ran out of memory";
  if (exit.signal !== undefined && exit.signal > 0) return `killed by signal ${exit.signal}`;
  return exit.exit_code === undefined ? null : `exit code ${exit.exit_code}`;
}

/** Of all the machine's events, the newest that tells that it came up (fly-machines-api.md §4.14). */
function startedAtOf({ events }: FlyMachine): number | null {
  const instants = (events ?? [])
    .filter(({ status }) => status === "started")
    .map(({ timestamp }) => timestamp ?? 0);
  const newest = Math.max(0, ...instants);
  return newest === 0 ? null : newest;
}

/** The volume of this id, and nothing about who holds it beyond what Fly names: one call, and one more for an unreachable one. */
export async function lookAtVolume(
  state: InstanceState,
  fly: FlyClient,
  id: string,
): Promise<PresentVolume | { kind: "absent" } | Unknown> {
  const answer = await fly.getVolume(state.appName, id);
  if (!answer.ok) return isGone(state, answer.error) ? { kind: "absent" } : unknown(answer.error);
  if (isVolumeGone(answer.value)) return { kind: "absent" };
  const isReachable = answer.value.host_status !== "unreachable";
  const snapshot = isReachable ? null : await newestSnapshot(state, fly, id);
  return snapshot !== null && "kind" in snapshot
    ? snapshot
    : presentVolume(state, answer.value, isReachable, snapshot);
}

function presentVolume(
  state: InstanceState,
  volume: FlyVolume,
  isReachable: boolean,
  snapshot: Snapshot | null,
): PresentVolume {
  const { id, attached_machine_id: holder } = volume;
  return {
    kind: "present",
    id,
    // A missing region means: as it was (fly-machines-api.md §6.1).
    region: volume.region ?? knownRegion(state, id),
    hasData: !isKnownEmpty(volume),
    createdAt: Date.parse(volume.created_at ?? "") || 0,
    isReachable,
    isWhole: volume.state === undefined || volume.state === "created",
    sizeGb: volume.size_gb ?? null,
    holder: typeof holder === "string" && isMachineId(holder) ? holderOf(state, holder) : null,
    snapshot,
  };
}

function knownRegion({ volume, candidate, regions }: InstanceState, id: string): string {
  return [volume, candidate].find((known) => known?.id === id)?.region ?? regions[0] ?? "";
}

/** What is known of a holder without a look at it. */
function holderOf(state: InstanceState, id: string): NonNullable<PresentVolume["holder"]> {
  // At rest nothing depends on it, so that it is asked once; where something does, it is asked each time.
  if (id === state.volume?.goneHolder && state.intent === "stopped") return { id, is: "gone" };
  return { id, is: state.leftovers.some((left) => left.id === id && !left.isKept) ? "given_up" : "unknown" };
}

/** Block numbers are 0 until the first mount (fly-machines-api.md §6.1). What Fly does not tell is taken for data. */
function isKnownEmpty({ blocks, bytes_used: bytesUsed, attached_machine_id: holder }: FlyVolume): boolean {
  return blocks === 0 && (bytesUsed ?? 0) === 0 && (holder ?? null) === null;
}

/** For minutes after a holder was destroyed, Fly may name it by characters that are no id (fly-machines-api.md F-18). */
function isMachineId(text: string): boolean {
  return /^[0-9a-z]+$/.test(text);
}

/** The newest snapshot that can be restored; Fly lists them for volumes that are gone, too. */
export async function newestSnapshot(
  state: InstanceState,
  fly: FlyClient,
  volumeId: string,
): Promise<Snapshot | null | Unknown> {
  const answer = await fly.listSnapshots(state.appName, volumeId);
  if (!answer.ok) return isGone(state, answer.error) ? null : unknown(answer.error);
  const [newest] = answer.value
    .filter(({ status }) => status === undefined || status === "created")
    .toSorted((a, b) => (b.created_at ?? "").localeCompare(a.created_at ?? ""));
  if (newest === undefined) return null;
  const createdAt = newest.created_at ?? "";
  return { id: newest.id, createdAt, at: Date.parse(createdAt) || 0 };
}
