import type { Clock } from "../clock.ts";
import { Store, type Change } from "../state/store.ts";

/** How far back a list may be out of date. */
export const historyMsMax = 10 * 60_000;
/** Changes kept; with more of them the past is shorter. */
const changesMax = 50_000;

/** Remembers the changes of the last minutes, and shows the cloud as it was then. */
export class History {
  readonly #store: Store;
  readonly #clock: Clock;
  #changes: { atMs: number; change: Change }[] = [];

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    store.watch((change) => this.#note(change));
  }

  /** The rows as they were at that instant. */
  at(atMs: number): Store {
    const { apps, machines, volumes, snapshots } = this.#store;
    const past = new Store();
    for (const app of apps.values()) past.apps.put(app);
    for (const machine of machines.values()) past.machines.put(machine);
    for (const volume of volumes.values()) past.volumes.put(volume);
    for (const snapshot of snapshots.values()) past.snapshots.put(snapshot);
    for (const { atMs: changedAtMs, change } of this.#changes.toReversed()) {
      if (changedAtMs <= atMs) break;
      undo(past, change);
    }
    return past;
  }

  #note(change: Change): void {
    const nowMs = this.#clock.now();
    this.#changes.push({ atMs: nowMs, change });
    if (this.#changes.length <= changesMax) return;
    // A tenth at a time, so that it is not done at every change.
    this.#changes = this.#changes.slice(changesMax / 10).filter(({ atMs }) => atMs > nowMs - historyMsMax);
  }
}

function undo(store: Store, change: Change): void {
  switch (change.kind) {
    case "app":
      return change.before === undefined ? store.apps.delete(change.key) : void store.apps.put(change.before);
    case "machine":
      return change.before === undefined
        ? store.machines.delete(change.key)
        : void store.machines.put(change.before);
    case "volume":
      return change.before === undefined
        ? store.volumes.delete(change.key)
        : void store.volumes.put(change.before);
    case "snapshot":
      return change.before === undefined
        ? store.snapshots.delete(change.key)
        : void store.snapshots.put(change.before);
    default:
      return change satisfies never;
  }
}
