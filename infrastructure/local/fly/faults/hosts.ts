import type { Store } from "../state/store.ts";

/** What a call to a machine on a dead host gets: both were seen, at different times. */
export type HostRefusal = 408 | 503;

/**
 * The hosts that are dead or full. A volume is on the host that its `zone` names, a machine on the host of its volume; one
 * without a volume has a host for itself.
 */
export class Hosts {
  readonly #store: Store;
  readonly #down = new Map<string, HostRefusal>();
  readonly #full = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  ofMachine(machineId: string): string {
    const volumeId = this.#store.machines.get(machineId)?.config.mounts?.[0]?.volume;
    return (volumeId === undefined ? undefined : this.ofVolume(volumeId)) ?? `machine ${machineId}`;
  }

  ofVolume(volumeId: string): string | undefined {
    return this.#store.volumes.get(volumeId)?.zone;
  }

  takeDown(host: string, refusal: HostRefusal): void {
    this.#down.set(host, refusal);
  }

  bringUp(host: string): void {
    this.#down.delete(host);
  }

  /** How calls to a dead host are refused; undefined while it lives. */
  refusalOf(host: string | undefined): HostRefusal | undefined {
    return host === undefined ? undefined : this.#down.get(host);
  }

  get anyIsDown(): boolean {
    return this.#down.size > 0;
  }

  fill(host: string): void {
    this.#full.add(host);
  }

  free(host: string): void {
    this.#full.delete(host);
  }

  isFull(host: string | undefined): boolean {
    return host !== undefined && this.#full.has(host);
  }

  heal(): void {
    this.#down.clear();
    this.#full.clear();
  }
}
