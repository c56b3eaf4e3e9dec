import type { Clock } from "../clock.ts";
import type { Hindrance } from "../cloud/lifecycle.ts";
import type { Machine } from "../state/model.ts";
import type { Change, Store } from "../state/store.ts";
import { Claims } from "./claims.ts";
import { Hosts } from "./hosts.ts";
import { Newcomers } from "./newcomers.ts";
import { Wedges } from "./wedges.ts";

/** Why a region takes nothing new: it is full, or the organization may use no more of it. */
export type RegionShortage = "capacity" | "quota";

/** What is wrong with the cloud at the moment, beside the faults of single calls. */
export class Circumstances implements Hindrance {
  readonly hosts: Hosts;
  readonly newcomers: Newcomers;
  readonly claims: Claims;
  readonly wedges: Wedges;
  readonly regions = new Map<string, RegionShortage>();
  /** Names of apps that belong to another organization. */
  readonly foreignApps = new Set<string>();
  readonly #store: Store;
  readonly #clock: Clock;
  /** Machines that wait for the circumstances to change. */
  readonly #waiting = new Set<() => void>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.hosts = new Hosts(store);
    this.newcomers = new Newcomers(clock);
    this.claims = new Claims(clock);
    this.wedges = new Wedges(clock);
    store.watch((change) => this.#onChange(change));
  }

  async hold(machineId: string, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      if (signal.aborted) return false;
      const untilMs = this.#heldUntilMs(machineId);
      if (untilMs === undefined) return true;
      await this.#changed(untilMs - this.#clock.now(), signal);
    }
  }

  isCutOff(machineId: string): boolean {
    return this.hosts.refusalOf(this.hosts.ofMachine(machineId)) !== undefined;
  }

  /** Lets machines go on that nothing holds any more. */
  announce(): void {
    // A machine that is still held registers again.
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Ends all that is wrong. */
  heal(): void {
    this.hosts.heal();
    this.newcomers.clear();
    this.claims.clear();
    this.wedges.clear();
    this.regions.clear();
    this.foreignApps.clear();
    this.announce();
  }

  #heldUntilMs(machineId: string): number | undefined {
    const machine = this.#store.machines.get(machineId);
    if (machine === undefined) return undefined;
    if (this.isCutOff(machineId)) return Number.POSITIVE_INFINITY;
    return this.wedges.heldUntilMs(machineId, machine.state);
  }

  #changed(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const cancel = Number.isFinite(delayMs) ? this.#clock.after(delayMs, wake) : (): void => undefined;
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  #onChange(change: Change): void {
    if (change.kind === "volume" && change.before === undefined) {
      const volume = this.#store.volumes.get(change.key);
      if (volume !== undefined) this.newcomers.arrived("volume", volume.app, volume.id);
    }
    if (change.kind !== "machine") return;
    const machine = this.#store.machines.get(change.key);
    if (machine === undefined) this.wedges.release(change.key);
    else this.#onMachine(change.before, machine);
  }

  #onMachine(before: Machine | undefined, machine: Machine): void {
    if (before === undefined) {
      this.newcomers.arrived("machine", machine.app, machine.id);
      this.wedges.arrived(machine.app, machine.id);
    }
    if (machine.state === "destroyed" && before?.state !== "destroyed") {
      const volumeIds = (machine.config.mounts ?? []).flatMap(({ volume }) => volume ?? []);
      this.claims.destroyed(machine.id, volumeIds);
      this.wedges.release(machine.id);
    }
  }
}
