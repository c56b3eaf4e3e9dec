import type { FlyClient } from "../fly/client.ts";
import type { FlyVolume } from "../fly/schemas.ts";
import type { Health } from "../gateway/health.ts";
import { inventory } from "./inventory.ts";
import { isGone, lookAtMachine, lookAtVolume, newestSnapshot, notTold, unknown } from "./look.ts";
import { METADATA_SANDBOX } from "./names.ts";
import {
  NOTHING_ASKED,
  type Observation,
  type ObservedApp,
  type ObservedGateway,
  type ObservedLeftover,
  type ObservedMachine,
  type ObservedVolume,
  type PresentVolume,
  type Unknown,
} from "./observation.ts";
import { CLOCK_SKEW_MS, dueLeftover, isInventoryDue, notVisibleYet } from "./patience.ts";
import type { InstanceState } from "./state.ts";

export type ObservePorts = {
  fly: FlyClient;
  /** Asks the controller in the machine; never throws. */
  health: (appName: string, machineId: string) => Promise<Health>;
};

const nothingAsked = { kind: "none" } as const;

/** Asks Fly and the controller for just what the next decision can depend on. A call that fails is `unknown`. */
export async function observe(
  state: InstanceState,
  ports: ObservePorts,
  askedAt: number,
): Promise<Observation> {
  return { askedAt, ...(await ask(state, ports, askedAt)) };
}

async function ask(
  state: InstanceState,
  ports: ObservePorts,
  now: number,
): Promise<Omit<Observation, "askedAt">> {
  const { fly } = ports;
  if (state.retryAt !== null && state.retryAt > now) return NOTHING_ASKED;
  if (state.recovery !== null && state.intent !== "destroyed") return observeLost(state, fly);
  if (isAppFirst(state)) {
    return { ...NOTHING_ASKED, app: await observeApp(state, fly) };
  }
  if (state.intent === "destroyed" && state.ownApp?.stage === "wanted") {
    const app = await observeApp(state, fly);
    // Without an app of ours there is nothing of ours in it.
    if (app.kind === "absent" || app.kind === "stranger") return { ...NOTHING_ASKED, ...NOTHING_LEFT, app };
    if (app.kind === "unknown") return { ...NOTHING_ASKED, app, machine: app };
  }
  const machine = await observeMachine(state, fly);
  const [volume, candidate, gateway] = await Promise.all([
    volumeMatters(state, machine) ? observeVolume(state, machine, fly, now) : nothingAsked,
    candidateMatters(state, machine) ? observeCandidate(state, machine, fly) : nothingAsked,
    observeGateway(state, machine, ports),
  ]);
  const seen = { ...NOTHING_ASKED, machine, volume, candidate, gateway };
  const leftover = await observeLeftover(state, seen, fly, now);
  if (state.intent !== "destroyed") {
    const isDue =
      leftover.kind === "none" &&
      isInventoryDue(state, now) &&
      isAtRest(state, seen, gateway.kind === "ready");
    return { ...seen, leftover, inventory: isDue ? await inventory(state, fly) : nothingAsked };
  }
  if (!isEverythingGone(state, seen)) return { ...seen, leftover };
  return {
    ...seen,
    leftover,
    inventory: await inventory(state, fly),
    app: state.ownApp === null ? nothingAsked : await observeApp(state, fly),
  };
}

/** As `appFirst` in rules/app.ts has it. */
function isAppFirst({ ownApp, intent, machine }: InstanceState): boolean {
  if (ownApp === null || ownApp.stage === "ready" || intent === "destroyed") return false;
  return intent === "running" || machine === null;
}

async function observeLost(state: InstanceState, fly: FlyClient): Promise<Omit<Observation, "askedAt">> {
  const app = state.ownApp?.stage === "wanted" ? await observeApp(state, fly) : nothingAsked;
  if (app.kind === "ours" || app.kind === "stranger" || app.kind === "unknown")
    return { ...NOTHING_ASKED, app };
  return { ...NOTHING_ASKED, app, inventory: await inventory(state, fly) };
}

async function observeApp(state: InstanceState, fly: FlyClient): Promise<ObservedApp> {
  const { ownApp, appName } = state;
  const isNew = ownApp?.stage === "wanted" && state.creating?.kind !== "app";
  if (isNew && state.recovery === null && state.intent !== "destroyed") return nothingAsked;
  const answer = await fly.getApp(appName);
  if (!answer.ok) {
    if (answer.error.kind === "app_name_taken") return { kind: "stranger" };
    return answer.error.kind === "app_missing" || answer.error.kind === "not_found"
      ? { kind: "absent" }
      : unknown(answer.error);
  }
  const { organization, network } = answer.value;
  // A field that is missing tells nothing (fly-machines-api.md §1.4).
  if (organization?.slug === undefined || network === undefined) {
    return notTold("Fly does not tell whose app it is", true);
  }
  // The network of a tenant's app has the app's name; of an app that only looks like ours it has not.
  if (organization.slug !== ownApp?.orgSlug || network !== appName) return { kind: "stranger" };
  if (ownApp?.stage !== "created") return { kind: "ours", hasV4: false, hasV6: false };
  const addresses = await fly.listAddresses(appName);
  if (!addresses.ok) return unknown(addresses.error);
  const isV6 = (ip: string): boolean => ip.includes(":");
  return {
    kind: "ours",
    hasV4: addresses.value.some(({ ip }) => !isV6(ip)),
    hasV6: addresses.value.some(({ ip }) => isV6(ip) && !ip.startsWith("fdaa:")),
  };
}

async function observeMachine(state: InstanceState, fly: FlyClient): Promise<ObservedMachine> {
  const id = state.machine?.id ?? state.pendingDestroyMachineId;
  if (id !== null) return lookAtMachine(state, fly, id);
  const { creating } = state;
  if (creating?.kind !== "machine") return nothingAsked;
  const found = await fly.findMachines(state.appName, METADATA_SANDBOX, state.sandboxId);
  if (!found.ok) return isGone(state, found.error) ? { kind: "absent" } : unknown(found.error);
  // A name is unique among live machines, so there is at most one; the list is only believed after a look at it.
  const candidate = found.value.find(
    ({ name, state: word }) => name === creating.name && word !== "destroyed",
  );
  if (candidate === undefined) return { kind: "absent" };
  const seen = await lookAtMachine(state, fly, candidate.id);
  return seen.kind === "unknown" ? { ...seen, isThere: true } : seen;
}

/** A volume is only looked at where something is to be made or started on it, or where it is to go. */
function volumeMatters(state: InstanceState, machine: ObservedMachine): boolean {
  switch (machine.kind) {
    case "none":
      return true;
    case "absent":
      return state.intent === "destroyed" || (state.intent === "running" && state.machine === null);
    case "unreachable":
      return state.intent === "running";
    case "present": {
      if (state.intent === "destroyed") return !machine.ours;
      if (machine.mount?.volumeId !== state.volume?.id || machine.mount?.isRightPath !== true) return true;
      return state.intent === "running" && (machine.phase === "down" || machine.phase === "failed");
    }
    case "unknown":
      return false;
    default:
      return machine satisfies never;
  }
}

async function observeVolume(
  state: InstanceState,
  machine: ObservedMachine,
  fly: FlyClient,
  now: number,
): Promise<ObservedVolume> {
  const id = state.volume?.id ?? state.pendingDestroyVolumeId;
  if (id === null) return volumeByName(state, machine, fly, []);
  const seen = await lookAtVolume(state, fly, id);
  if (seen.kind === "unknown") return seen;
  if (seen.kind === "present") return withHolder(state, machine, seen, fly);
  if (notVisibleYet(state.volume, now)) return ABSENT;
  // Gone by its id; what the machine mounts, or another of its name, may have taken its place.
  const mounted = machine.kind === "present" ? (machine.mount?.volumeId ?? id) : id;
  const moved = mounted === id ? seen : await lookAtVolume(state, fly, mounted);
  if (moved.kind !== "absent") return moved;
  const byName = await volumeByName(state, machine, fly, [id]);
  if (byName.kind !== "absent" || state.intent === "destroyed") return byName;
  const [snapshot, former] = await Promise.all([newestSnapshot(state, fly, id), formerVolume(state, fly)]);
  if (snapshot !== null && "kind" in snapshot) return snapshot;
  return former?.kind === "unknown" ? former : { kind: "absent", snapshot, former };
}

/** The volume that the machine mounts, or else the newest of the name; a list is only believed after a look at the volume itself. */
async function volumeByName(
  state: InstanceState,
  machine: ObservedMachine,
  fly: FlyClient,
  except: string[],
  sentAt: number | null = null,
): Promise<ObservedVolume> {
  const found = await fly.findVolumes(state.appName, state.volumeName);
  if (!found.ok) return isGone(state, found.error) ? ABSENT : unknown(found.error);
  const others = new Set([
    ...except,
    state.candidate?.id,
    ...state.leftovers.filter(({ isKept }) => !isKept).map(({ id }) => id),
  ]);
  const mounted = machine.kind === "present" ? machine.mount?.volumeId : undefined;
  if (mounted !== undefined && !except.includes(mounted)) others.delete(mounted);
  const [best] = found.value
    .filter((volume) => !others.has(volume.id) && (sentAt === null || wasMadeSince(volume, sentAt)))
    .toSorted(
      (a, b) =>
        Number(b.id === mounted) - Number(a.id === mounted) ||
        Number(isHeld(b)) - Number(isHeld(a)) ||
        (b.created_at ?? "").localeCompare(a.created_at ?? ""),
    );
  if (best === undefined) return ABSENT;
  const seen = await lookAtVolume(state, fly, best.id);
  if (seen.kind === "unknown") return { ...seen, isThere: true };
  if (seen.kind === "absent" || !mayReplace(state, seen)) return ABSENT;
  return withHolder(state, machine, seen, fly);
}

/** In the place of data, what is known to be empty is nothing, unless it was asked for. */
function mayReplace({ volume, creating, intent }: InstanceState, found: PresentVolume): boolean {
  if (found.hasData || volume?.hasData !== true || intent === "destroyed") return true;
  return creating?.kind === "volume" || creating?.kind === "candidate";
}

/** The volume that the lost one was a copy of, while it is kept. */
async function formerVolume(state: InstanceState, fly: FlyClient): Promise<PresentVolume | Unknown | null> {
  const [former] = state.leftovers
    .filter(({ kind, whenReady }) => kind === "volume" && whenReady)
    .toSorted((a, b) => b.since - a.since);
  if (former === undefined) return null;
  const seen = await lookAtVolume(state, fly, former.id);
  return seen.kind === "absent" ? null : seen;
}

const NOTHING_LEFT: Pick<Observation, "volume" | "inventory"> = {
  volume: { kind: "absent", snapshot: null, former: null },
  inventory: { kind: "seen", machines: [], volumes: [] },
};

const ABSENT: ObservedVolume = { kind: "absent", snapshot: null, former: null };

/** Whether it can be what a create of this instant made; nothing older may be taken for it. */
function wasMadeSince({ created_at: createdAt }: FlyVolume, sentAt: number): boolean {
  return createdAt !== undefined && Date.parse(createdAt) >= sentAt - CLOCK_SKEW_MS;
}

function isHeld({ attached_machine_id: holder }: FlyVolume): boolean {
  return typeof holder === "string";
}

/** Who holds a volume is asked only where a machine is to be made on it, or everything is to go. */
async function withHolder(
  state: InstanceState,
  machine: ObservedMachine,
  volume: PresentVolume,
  fly: FlyClient,
): Promise<ObservedVolume> {
  const { holder } = volume;
  if (holder === null || (machine.kind !== "none" && machine.kind !== "absent")) return volume;
  const { id } = holder;
  if (id === state.machine?.id || id === state.pendingDestroyMachineId)
    return { ...volume, holder: { id, is: "gone" } };
  if (holder.is !== "unknown") return volume;
  const seen = await lookAtMachine(state, fly, id);
  switch (seen.kind) {
    case "none":
      return volume;
    case "unknown":
      return { ...seen, isThere: true };
    case "absent":
      return { ...volume, holder: { id, is: "gone" } };
    case "unreachable":
      return { ...volume, holder: { id, is: "ours" } };
    case "present":
      return { ...volume, holder: { id, is: seen.ours ? "ours" : "stranger" } };
    default:
      return seen satisfies never;
  }
}

function candidateMatters(state: InstanceState, machine: ObservedMachine): boolean {
  if (state.candidate === null && state.creating?.kind !== "candidate") return false;
  if (machine.kind !== "present") return machine.kind !== "unknown";
  return machine.phase === "down" || machine.phase === "failed" || machine.phase === "up";
}

async function observeCandidate(
  state: InstanceState,
  machine: ObservedMachine,
  fly: FlyClient,
): Promise<ObservedVolume> {
  if (state.candidate === null) {
    const known = state.volume === null ? [] : [state.volume.id];
    return volumeByName(state, machine, fly, known, state.creating?.sentAt ?? null);
  }
  const seen = await lookAtVolume(state, fly, state.candidate.id);
  if (seen.kind === "absent") return ABSENT;
  return seen.kind === "present" ? withHolder(state, machine, seen, fly) : seen;
}

async function observeGateway(
  state: InstanceState,
  machine: ObservedMachine,
  { health }: ObservePorts,
): Promise<ObservedGateway> {
  if (state.intent !== "running" || machine.kind !== "present" || machine.phase !== "up") return nothingAsked;
  if (!machine.ours) return nothingAsked;
  const answer = await health(state.appName, machine.id);
  if (answer.kind === "silent") return { kind: "unknown", why: answer.why };
  return answer.state === "ready" ? { kind: "ready" } : { kind: answer.state, stage: answer.stage };
}

/** The leftover that is due is looked at when the rest is at rest, so that it never costs a start anything. */
async function observeLeftover(
  state: InstanceState,
  seen: Pick<Observation, "machine" | "volume" | "gateway">,
  fly: FlyClient,
  now: number,
): Promise<ObservedLeftover> {
  const isReady = seen.gateway.kind === "ready";
  const due = dueLeftover(state, isReady, now);
  if (due === null || !isAtRest(state, seen, isReady)) return nothingAsked;
  const { id, kind, whenReady } = due;
  // Fly may still copy from it; until then the copy is no better than what it is a copy of.
  if (whenReady && !(await isVolumeWhole(state, fly))) return { kind: "unknown", id };
  const answer =
    kind === "machine" ? await lookAtMachine(state, fly, id) : await lookAtVolume(state, fly, id);
  if (answer.kind === "none") return nothingAsked;
  return { kind: answer.kind === "unreachable" ? "present" : answer.kind, id };
}

async function isVolumeWhole(state: InstanceState, fly: FlyClient): Promise<boolean> {
  if (state.intent === "destroyed" || state.volume === null) return true;
  const volume = await lookAtVolume(state, fly, state.volume.id);
  return volume.kind === "present" && volume.isWhole;
}

function isAtRest(
  state: InstanceState,
  { machine, volume }: Pick<Observation, "machine" | "volume">,
  isReady: boolean,
): boolean {
  switch (state.intent) {
    case "running":
      // A machine that was given up may hold the volume that the next one waits for.
      return isReady || machine.kind === "none";
    case "stopped":
      return (
        machine.kind === "none" ||
        (machine.kind === "present" && (machine.phase === "down" || machine.phase === "failed"))
      );
    case "destroyed":
      return (
        (machine.kind === "none" ||
          machine.kind === "absent" ||
          (machine.kind === "present" && !machine.ours)) &&
        volume.kind === "absent"
      );
    default:
      return state.intent satisfies never;
  }
}

function isEverythingGone(state: InstanceState, seen: Pick<Observation, "machine" | "volume">): boolean {
  return state.leftovers.length === 0 && isAtRest(state, seen, false);
}
