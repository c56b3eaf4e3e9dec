import type { InstanceEvent } from "../../../src/instance/events.ts";
import type { InstanceState } from "../../../src/instance/state.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { SHARED_APP } from "./object.ts";
import { isSame } from "../cloud/program.ts";
import type { Contents } from "./storage.ts";
import { type App, isGone, type Machine, type Volume } from "../cloud/model.ts";

/** Why the instance is not what its user wants, or not what its record says; null when all is well. */
export function describeUnrest(cloud: Cloud, { record, events }: Contents): string | null {
  const machines = ours<Machine>(cloud, (app) => app.machines.values()).filter(
    ({ state }) => state !== "destroyed",
  );
  const volumes = ours<Volume>(cloud, (app) => app.volumes.values()).filter((volume) => !isGone(volume));
  if (record === null) {
    const apps = cloud.keptApps().filter(({ name, forgotten }) => name !== SHARED_APP && !forgotten);
    const left = [...machines, ...volumes, ...apps].map(({ id }) => id);
    return left.length === 0 ? null : `nobody knows of ${left.join(", ")}`;
  }
  const machine = machines.find(({ id }) => id === record.machine?.id) ?? null;
  const mayWait = isOutOfReach(cloud);
  // What can't be looked at can't be found again, and what can't be destroyed is waited for before the rest is looked for.
  const isSearching = record.recovery !== null || record.intent === "destroyed" || record.creating !== null;
  if (mayWait && isSearching && record.lastError !== null) return null;
  // Nor can what Fly moved with a machine that can't be reached any more.
  const findable = volumes.filter(
    (volume) => !mayWait || volume.machine === null || volume.machine !== machine,
  );
  const untracked = describeUntracked(record, events, machines, findable);
  if (untracked !== null) return untracked;
  if (mayWait) return describeWaiting(cloud, record, machine, volumes);
  return (
    describeRecord(record, cloud.now) ??
    describeBound(cloud, volumes) ??
    describeIntent(cloud, record, machine, volumes)
  );
}

/** Whether something of the instance is on a host that stays away. */
export function isOutOfReach(cloud: Cloud): boolean {
  const machines = cloud.allMachines().filter(({ state }) => state !== "destroyed");
  const volumes = cloud.keptVolumes();
  return [...machines, ...volumes].some((one) => one.ours && one.host.status === "unreachable");
}

/** While a host is away the user may be told to wait; but an instance that is to run, and of whose data there is a copy, runs. */
function describeWaiting(
  cloud: Cloud,
  record: InstanceState,
  machine: Machine | null,
  volumes: Volume[],
): string | null {
  const unmet = describeIntent(cloud, record, machine, volumes);
  if (unmet === null) return null;
  if (record.lastError === null) return `${unmet}, and nobody is told why`;
  const volume = volumes.find(({ id }) => id === record.volume?.id);
  const isMoved = machine?.host.status === "unreachable" && machine.volume?.id !== record.volume?.id;
  // A volume on which a machine was made may have data, whether it has or not.
  const isLostForNow = volume?.host.status === "unreachable" && record.volume?.hasData === true;
  const hasCopy = volume === undefined || (volume.app.snapshots.get(volume.id)?.length ?? 0) > 0;
  return record.intent === "running" && !isMoved && (!isLostForNow || hasCopy) ? unmet : null;
}

/** What is the instance's, without what a destroy by force left. */
function ours<T extends { ours: boolean; forgotten: boolean }>(
  cloud: Cloud,
  of: (app: App) => Iterable<T>,
): T[] {
  return [...cloud.apps.values()]
    .flatMap((app) => Array.from(of(app)))
    .filter((one) => one.ours && !one.forgotten);
}

/** What was found beside the instance when its ids were lost is not taken away blindly, but the user was told of it by name. */
function describeUntracked(
  record: InstanceState,
  events: readonly InstanceEvent[],
  machines: Machine[],
  volumes: Volume[],
): string | null {
  const known = new Set([
    record.machine?.id,
    record.volume?.id,
    record.candidate?.id,
    ...record.leftovers.map(({ id }) => id),
  ]);
  const unknown = [...machines, ...volumes].filter(({ id }) => !known.has(id) && !isReported(events, id));
  return unknown.length === 0 ? null : `the record does not know ${unknown.map(({ id }) => id).join(", ")}`;
}

function isReported(events: readonly InstanceEvent[], id: string): boolean {
  return events.some(({ kind, why }) => kind === "warning" && why.includes(id));
}

function describeRecord(record: InstanceState, now: number): string | null {
  if (record.lastError !== null)
    return `a problem stands: ${record.lastError.code}: ${record.lastError.message}`;
  if (record.creating !== null) return `a create of a ${record.creating.kind} is open`;
  if (record.candidate) return "a candidate is left";
  if (record.inventoryAt !== null) return "it is to look once more for what lists may have hidden";
  const due = record.leftovers.find(
    ({ isKept, notBefore, whenReady }) =>
      !isKept && notBefore <= now && (!whenReady || record.intent === "running"),
  );
  if (due !== undefined) return `the ${due.kind} ${due.id} is left over`;
  if (record.recovery) return "the recovery is not over";
  return null;
}

function describeIntent(
  cloud: Cloud,
  record: InstanceState,
  machine: Machine | null,
  volumes: Volume[],
): string | null {
  const { intent, status } = record;
  switch (intent) {
    case "destroyed":
      return "it is not destroyed";
    case "stopped":
      if (status !== "stopped" && status !== "provisioned") return `the status is ${status}`;
      if (machine !== null && machine.state !== "stopped" && machine.state !== "failed") {
        return `the machine is ${machine.state}, and it is to be stopped`;
      }
      if (record.machine !== null && machine === null) return "the record has a machine that is gone";
      return hasVolume(record, volumes) ? null : "the record has a volume that is gone";
    case "running":
      if (status !== "running") return `the status is ${status}`;
      if (machine === null) return "the record has no machine, or one that is gone";
      if (machine.state !== "started" || cloud.now < machine.readyAt)
        return `the machine is ${machine.state}`;
      if (machine.volume === null || machine.volume.id !== record.volume?.id)
        return "the machine has another volume";
      if (
        machine.config.metadata?.["kiloclaw_generation"] !== String(record.generation) &&
        record.applied?.generation !== record.generation
      ) {
        return "the machine runs an older configuration";
      }
      // What nobody could read of a lost record is what the gateway goes on with.
      if (!record.settingsLost && !isSame(machine.program.inUse ?? {}, variablesOf(record)))
        return "the gateway runs with other settings than the newest";
      if (record.ran === null || record.ran.startedAt !== startedAtOf(machine))
        return "nobody asked what runs since the machine came up";
      return null;
    default:
      return intent satisfies never;
  }
}

function startedAtOf({ events }: Machine): number | null {
  return events.find(({ status }) => status === "started")?.timestamp ?? null;
}

/** What the user of a life may have set. */
function variablesOf({ settings: { envVars, kilocodeDefaultModel } }: InstanceState): Record<string, string> {
  return kilocodeDefaultModel === null
    ? envVars
    : { ...envVars, KILOCODE_DEFAULT_MODEL: kilocodeDefaultModel };
}

/** What Fly still takes for bound is asked about once more at each look. */
function describeBound(cloud: Cloud, volumes: Volume[]): string | null {
  const bound = volumes.find((volume) => volume.machine === null && cloud.holderOf(volume) !== null);
  return bound === undefined ? null : `the volume ${bound.id} is still bound`;
}

function hasVolume({ volume, intent }: InstanceState, volumes: Volume[]): boolean {
  return volume === null ? intent !== "running" : volumes.some(({ id }) => id === volume.id);
}

/** What was written and is not there any more; null where nothing is missing, or where the user was told. */
export function describeLoss(cloud: Cloud, { record, events }: Contents): string | null {
  // Whoever lost all memory can't tell what else is missing.
  if (record === null || record.intent === "destroyed") return null;
  if (cloud.newest === null || cloud.memoryLost) return null;
  // Of what is out of reach nothing is lost yet, unless the instance goes on without it.
  if (isOutOfReach(cloud) && record.status !== "running") return null;
  const volumes = ours<Volume>(cloud, (app) => app.volumes.values());
  const volume = volumes.find(({ id }) => id === record.volume?.id);
  const kept = volume?.writing?.depth ?? 0;
  if (kept === cloud.writings) return null;
  if (!cloud.dataHit)
    return `the volume has ${kept} of ${cloud.writings} writings, and nothing had destroyed any`;
  const isTold = events.some(({ what }) => what === "data_loss");
  return isTold ? null : `the volume has ${kept} of ${cloud.writings} writings, and nobody was told`;
}
