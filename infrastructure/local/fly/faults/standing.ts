import { z } from "zod";
import type { Cloud } from "../cloud/cloud.ts";
import { candidateRegions } from "../cloud/regions.ts";
import { Refusal, refusals } from "../refusal.ts";
import { namedInApp } from "../state/store.ts";
import type { Circumstances } from "./circumstances.ts";
import { faultRefusals } from "./refusals.ts";
import type { Call } from "./rules.ts";

/** What the circumstances answer in the place of the route, if anything. */
export type Standing =
  | Refusal
  /** The call is answered as done, and nothing happens. */
  | { kind: "ignored" }
  /** The call goes on in one of these regions, since there is no room in others that it named. */
  | { kind: "elsewhere"; region: string };

/** What the circumstances need to know of a request's body. What is not as expected is left to the route to refuse. */
export const factsSchema = z
  .looseObject({
    name: z.string().optional(),
    app_name: z.string().optional(),
    region: z.string().optional(),
    source_volume_id: z.string().optional(),
    config: z
      .looseObject({
        mounts: z.array(z.looseObject({ volume: z.string().optional() })).optional(),
        guest: z.looseObject({ cpus: z.number().optional(), memory_mb: z.number().optional() }).optional(),
      })
      .optional(),
  })
  .catch({});
export type Facts = z.infer<typeof factsSchema>;

/** Tries the circumstances in the order in which live Fly would meet them. */
export function standing(
  cloud: Cloud,
  circumstances: Circumstances,
  call: Call,
  facts: Facts,
): Standing | undefined {
  return (
    foreign(circumstances, call, facts) ??
    hidden(circumstances, call) ??
    hostDown(circumstances, call, facts) ??
    wedged(cloud, circumstances, call) ??
    (isNameTaken(cloud, call, facts)
      ? undefined
      : (claimed(circumstances, call, facts) ?? noRoom(cloud, circumstances, call, facts)))
  );
}

function foreign({ foreignApps }: Circumstances, call: Call, facts: Facts): Refusal | undefined {
  if (call.app !== undefined && foreignApps.has(call.app)) return faultRefusals.foreignApp();
  const wanted = call.action === "app_create" ? (facts.app_name ?? facts.name) : undefined;
  return wanted !== undefined && foreignApps.has(wanted) ? faultRefusals.appNameTaken() : undefined;
}

function hidden({ newcomers }: Circumstances, call: Call): Refusal | undefined {
  const isMachineRead = call.action === "machine_get" || call.action === "machine_wait";
  if (isMachineRead && newcomers.isHidden(call.machine ?? "")) return refusals.machineNotFound();
  const isVolumeRead = call.action === "volume_get";
  return isVolumeRead && newcomers.isHidden(call.volume ?? "") ? refusals.volumeNotFound() : undefined;
}

/** A dead host answers no change; only a machine's deletion is taken down, to be done when the host is back. */
function hostDown({ hosts }: Circumstances, call: Call, facts: Facts): Refusal | undefined {
  if (isRead(call) || call.action === "machine_delete" || call.action === "volume_delete") return undefined;
  const named = [facts.source_volume_id, mountOf(facts), call.volume];
  const places = named.map((id) => (id === undefined ? undefined : hosts.ofVolume(id)));
  if (call.machine !== undefined) places.push(hosts.ofMachine(call.machine));
  const status = places.map((host) => hosts.refusalOf(host)).find((refusal) => refusal !== undefined);
  return status === undefined ? undefined : faultRefusals.hostIsDown(status);
}

function wedged(cloud: Cloud, { wedges }: Circumstances, call: Call): Standing | undefined {
  const machine = call.machine === undefined ? undefined : cloud.store.machines.get(call.machine);
  if (machine === undefined || wedges.heldUntilMs(machine.id, machine.state) === undefined) return undefined;
  if (call.action === "machine_stop") return { kind: "ignored" };
  return call.action === "machine_update" ? faultRefusals.concurrentUpdate() : undefined;
}

function claimed({ claims }: Circumstances, call: Call, facts: Facts): Refusal | undefined {
  if (call.action === "volume_delete") {
    const holder = claims.holderOf(call.volume ?? "");
    return holder === undefined ? undefined : faultRefusals.bound(holder);
  }
  if (call.action !== "machine_create") return undefined;
  const holder = claims.holderOf(mountOf(facts) ?? "");
  return holder === undefined ? undefined : faultRefusals.claimed(holder);
}

function noRoom(cloud: Cloud, circumstances: Circumstances, call: Call, facts: Facts): Standing | undefined {
  if (call.action === "volume_create") {
    const source = cloud.store.volumes.get(facts.source_volume_id ?? "");
    const region = facts.region ?? source?.region ?? cloud.rules.nearestRegion;
    return regionRefusal(cloud, circumstances, call, region);
  }
  if (call.action === "machine_create") return noRoomForMachine(cloud, circumstances, call, facts);
  const needsPlace = call.action === "machine_start" || call.action === "machine_update";
  return needsPlace ? noRoomToGrow(cloud, circumstances, call, facts) : undefined;
}

function noRoomForMachine(
  cloud: Cloud,
  circumstances: Circumstances,
  call: Call,
  facts: Facts,
): Standing | undefined {
  const volume = cloud.store.volumes.get(mountOf(facts) ?? "");
  if (volume !== undefined) {
    if (circumstances.regions.get(volume.region) === "quota") {
      return regionRefusal(cloud, circumstances, call, volume.region);
    }
    const isFull = circumstances.regions.has(volume.region) || circumstances.hosts.isFull(volume.zone);
    return isFull ? faultRefusals.noRoomBesideVolume(volume.id) : undefined;
  }
  const candidates = candidateRegions(facts.region, cloud.rules.nearestRegion);
  if (candidates instanceof Refusal) return undefined;
  const free = candidates.filter((region) => !circumstances.regions.has(region));
  if (free.length === candidates.length) return undefined;
  return free.length > 0
    ? { kind: "elsewhere", region: free.join(",") }
    : regionRefusal(cloud, circumstances, call, candidates[0] ?? "");
}

/** A machine that runs has its place; one that does not, or that is to be larger, needs one. */
function noRoomToGrow(
  cloud: Cloud,
  circumstances: Circumstances,
  call: Call,
  facts: Facts,
): Refusal | undefined {
  const machine = cloud.store.machines.get(call.machine ?? "");
  if (machine === undefined) return undefined;
  const isFull =
    circumstances.regions.get(machine.region) === "capacity" ||
    circumstances.hosts.isFull(circumstances.hosts.ofMachine(machine.id));
  const { cpus = 0, memory_mb: memoryMb = 0 } = machine.config.guest ?? {};
  const { cpus: wantedCpus = cpus, memory_mb: wantedMemoryMb = memoryMb } = facts.config?.guest ?? {};
  const isLarger = wantedCpus > cpus || wantedMemoryMb > memoryMb;
  return isFull && (machine.state !== "started" || isLarger) ? faultRefusals.noRoomOnHost() : undefined;
}

function regionRefusal(
  cloud: Cloud,
  { regions }: Circumstances,
  call: Call,
  region: string,
): Refusal | undefined {
  const why = regions.get(region);
  if (why === undefined) return undefined;
  return why === "capacity"
    ? faultRefusals.noHostInRegion()
    : faultRefusals.overQuota(cloud.store.apps.get(call.app ?? "")?.orgSlug ?? "", region);
}

/** Fly looks at the name before it looks for a place. */
function isNameTaken(cloud: Cloud, call: Call, facts: Facts): boolean {
  if (call.action !== "machine_create" || facts.name === undefined || call.app === undefined) return false;
  return cloud.store.machines.find(namedInApp(call.app, facts.name)).length > 0;
}

function mountOf(facts: Facts): string | undefined {
  return facts.config?.mounts?.[0]?.volume;
}

function isRead(call: Call): boolean {
  return /_(list|get|wait|events|versions)$/.test(call.action);
}
