import type { Cancel, CloudClock } from "../clock.ts";
import { Noise } from "../random.ts";
import {
  type App,
  type FlyState,
  type Host,
  isGone,
  type Machine,
  type Snapshot,
  type Volume,
  type VolumeState,
  type Writing,
} from "./model.ts";
import { STREAM } from "./streams.ts";
import type { Range, World } from "./world.ts";

/** The longest that lists are wrongly empty, and the least between two such times (src/instance/SPEC.md, Assumptions about Fly). */
const EMPTY_MS_MAX = 30_000;
const BETWEEN_EMPTY_MS = 10 * 60_000;
const HOSTS_PER_REGION = 3;
const EVENTS_MAX = 20;
const SHOWN_MAX = 12;
const VOLUME_KEPT_MS = 24 * 3_600_000;

/** The state of a Fly in memory, with its changes over time. What callers may ask of it is in the files beside this one. */
export class Cloud {
  readonly clock: CloudClock;
  world: World;
  readonly noise: Noise;
  readonly apps = new Map<string, App>();
  readonly hosts = new Map<string, Host[]>();
  /** App names that belong to other organisations. */
  readonly strangersApps = new Set<string>();
  readonly fullRegions = new Set<string>();
  readonly quotaRegions = new Set<string>();
  /** How far behind lists are. */
  listLagMs = 0;
  #emptyUntil = Number.NEGATIVE_INFINITY;
  /** Whether every call fails. */
  isOut = false;
  /** How many writings the volumes of the simulated instance have seen, and the newest of them. */
  writings = 0;
  newest: Writing | null = null;
  /** Whether a volume of the simulated instance was lost, or out of reach for a time. */
  dataHit = false;
  /** Whether the instance's own storage was lost at some time. */
  memoryLost = false;
  /** Called after whatever changes on its own; set by whoever watches over the cloud. */
  onChange: () => void = () => undefined;
  readonly #draws: number[] = [];
  #ids = 0;
  readonly #waiters = new Map<Machine, Set<() => void>>();

  constructor(clock: CloudClock, world: World, seed: number) {
    this.clock = clock;
    this.world = world;
    this.noise = new Noise(seed);
  }

  get now(): number {
    return this.clock.now();
  }

  get areListsEmpty(): boolean {
    return this.now < this.#emptyUntil;
  }

  /** Lists come back empty for a while, unless they did a short time ago. */
  emptyLists(ms: number): void {
    if (this.now < this.#emptyUntil + BETWEEN_EMPTY_MS) return;
    this.#emptyUntil = this.now + Math.min(ms, EMPTY_MS_MAX);
  }

  fillLists(): void {
    this.#emptyUntil = Math.min(this.#emptyUntil, this.now);
  }

  draw(stream: number): number {
    const index = this.#draws[stream] ?? 0;
    this.#draws[stream] = index + 1;
    return this.noise.at(stream, index);
  }

  between(stream: number, [min, max]: Range): number {
    return min === max ? min : min + this.draw(stream) * (max - min);
  }

  chance(stream: number, share: number): boolean {
    return share > 0 && this.draw(stream) < share;
  }

  newId(): string {
    this.#ids += 1;
    return this.#ids.toString(16).padStart(14, "e286507c0ad1f8");
  }

  newVolumeId(): string {
    this.#ids += 1;
    return `vol_${this.#ids.toString(32).padStart(16, "4y5gkog8p5kj839r")}`;
  }

  newVersion(): string {
    this.#ids += 1;
    return `01J${this.#ids.toString(32).toUpperCase().padStart(23, "0")}`;
  }

  makeApp(name: string, orgSlug: string, network: string): App {
    const app: App = {
      name,
      id: this.newId(),
      orgSlug,
      network,
      createdAt: this.now,
      goneAt: Number.POSITIVE_INFINITY,
      forgotten: false,
      machines: new Map(),
      volumes: new Map(),
      snapshots: new Map(),
      addresses: [],
      secrets: new Map(),
      secretsVersion: 0,
      secretsSeenAt: 0,
    };
    this.apps.set(name, app);
    return app;
  }

  /** The app, unless it is gone. One whose deletion is under way still answers. */
  app(name: string): App | null {
    const app = this.apps.get(name);
    return app === undefined || this.now >= app.goneAt ? null : app;
  }

  hostsOf(region: string): Host[] {
    const known = this.hosts.get(region);
    if (known !== undefined) return known;
    const made = Array.from({ length: HOSTS_PER_REGION }, (_, index): Host => ({
      id: `${region}${index}`,
      region,
      status: "ok",
      full: false,
    }));
    this.hosts.set(region, made);
    return made;
  }

  /** A host of the region with room, other than `but`; null where there is none. */
  pickHost(region: string, but: Host | null): Host | null {
    if (this.fullRegions.has(region)) return null;
    const free = this.hostsOf(region).filter((host) => !host.full && host.status === "ok" && host !== but);
    return free[Math.floor(this.draw(STREAM.host) * free.length)] ?? null;
  }

  allMachines(): Machine[] {
    return [...this.apps.values()].flatMap(({ machines }) => Array.from(machines.values()));
  }

  allVolumes(): Volume[] {
    return [...this.apps.values()].flatMap(({ volumes }) => Array.from(volumes.values()));
  }

  /** Until when a fresh resource hides from GET and from lists. */
  visibility(): { visibleAt: number; listedAt: number } {
    const { world, now } = this;
    if (!this.chance(STREAM.lag, world.lagShare)) return { visibleAt: now, listedAt: now };
    return {
      visibleAt: now + this.between(STREAM.visible, world.visible),
      listedAt: now + this.between(STREAM.listed, world.listed),
    };
  }

  become(
    machine: Machine,
    state: FlyState,
    type: string,
    source: "user" | "flyd" = "flyd",
    request: object | null = null,
  ): void {
    machine.state = state;
    machine.updatedAt = this.now;
    remember(machine.shown, { at: this.now, state });
    machine.events.unshift({
      id: this.newVersion(),
      type,
      status: state,
      source,
      timestamp: Math.round(this.now),
      request,
    });
    if (machine.events.length > EVENTS_MAX) machine.events.length = EVENTS_MAX;
    const waiters = this.#waiters.get(machine);
    if (waiters !== undefined) for (const waiter of waiters) waiter();
  }

  /** Told at every change of the machine's state until the returned function is called. */
  watch(machine: Machine, changed: () => void): Cancel {
    const waiters = this.#waiters.get(machine) ?? new Set();
    this.#waiters.set(machine, waiters);
    waiters.add(changed);
    return () => {
      waiters.delete(changed);
      if (waiters.size === 0) this.#waiters.delete(machine);
    };
  }

  /** A machine has one change under way: a newer one takes the place of what was to follow. */
  later(machine: Machine, delayMs: number, run: () => void): void {
    machine.change();
    machine.held = null;
    machine.change = this.clock.at(delayMs, () => {
      if (machine.stuck !== "no" || machine.host.status !== "ok") machine.held = run;
      else run();
      this.onChange();
    });
  }

  /** Lets a change happen that was kept back, unless something still keeps it. */
  release(machine: Machine): void {
    const { held } = machine;
    if (held === null || machine.stuck !== "no" || machine.host.status !== "ok") return;
    machine.held = null;
    held();
  }

  becomeVolume(volume: Volume, state: VolumeState): void {
    volume.state = state;
    remember(volume.shown, { at: this.now, state });
  }

  /** The machine writes to its volume, as every machine does all the time while it is up. */
  write(volume: Volume): void {
    volume.mounted = true;
    volume.proven = true;
    if (volume.forgotten) return;
    volume.writing = { parent: volume.writing, depth: (volume.writing?.depth ?? 0) + 1 };
    if (!volume.ours) return;
    this.writings += 1;
    this.newest = volume.writing;
  }

  /** The volume with all that was written by now. */
  contentOf(volume: Volume): Writing | null {
    const { machine } = volume;
    if (machine !== null && machine.state === "started" && machine.host.status === "ok") this.write(volume);
    return volume.writing;
  }

  /** The machine is destroyed: its name is free, and its volume soon, or after a while. */
  destroyed(machine: Machine): void {
    machine.change();
    machine.held = null;
    machine.lease = null;
    machine.forgottenAt = this.now + this.world.destroyedKept;
    this.become(machine, "destroyed", "destroy");
    const { volume } = machine;
    if (volume === null || volume.machine !== machine) return;
    volume.machine = null;
    if (!this.chance(STREAM.unbindShare, this.world.unbindShare)) return;
    const isNul = this.chance(STREAM.nul, this.world.nulShare);
    volume.bound = {
      to: isNul ? "\0".repeat(14) : machine.id,
      until: this.now + this.between(STREAM.unbind, this.world.unbind),
    };
  }

  /** Who holds the volume, by what Fly says: the id of a machine, or for a while after one what is left of it. */
  holderOf(volume: Volume): string | null {
    if (volume.machine !== null) return volume.machine.id;
    return volume.bound !== null && this.now < volume.bound.until ? volume.bound.to : null;
  }

  deleteVolume(volume: Volume): void {
    this.becomeVolume(volume, "pending_destroy");
    this.clock.at(VOLUME_KEPT_MS, () => volume.app.volumes.delete(volume.id));
  }

  /** What can be copied from now on, though the copy takes a while. */
  snapshot(volume: Volume): Snapshot {
    const snapshot: Snapshot = {
      id: `vs_${this.newVersion()}`,
      volumeId: volume.id,
      createdAt: this.now,
      readyAt: this.now + this.between(STREAM.snapshot, this.world.snapshot),
      writing: this.contentOf(volume),
      kept: volume.kept,
    };
    const known = volume.app.snapshots.get(volume.id) ?? [];
    volume.app.snapshots.set(volume.id, [snapshot, ...known]);
    return snapshot;
  }

  /** All apps that nobody has asked to delete. */
  keptApps(): App[] {
    return [...this.apps.values()].filter(({ goneAt }) => goneAt === Number.POSITIVE_INFINITY);
  }

  /** All volumes that may still be mounted. */
  keptVolumes(): Volume[] {
    return this.allVolumes().filter((volume) => !isGone(volume));
  }
}

function remember<State>(shown: { at: number; state: State }[], entry: { at: number; state: State }): void {
  shown.push(entry);
  if (shown.length > SHOWN_MAX) shown.shift();
}

/** The state as it was at an instant; null when it was not there yet. */
export function shownAt<State>(shown: readonly { at: number; state: State }[], at: number): State | null {
  for (let index = shown.length - 1; index >= 0; index -= 1) {
    const entry = shown[index];
    if (entry !== undefined && entry.at <= at) return entry.state;
  }
  return null;
}
