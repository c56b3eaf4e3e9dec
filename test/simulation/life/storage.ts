import type { InstanceEvent } from "../../../src/instance/events.ts";
import type { KeeperStorage } from "../../../src/instance/keeper.ts";
import type { InstanceState, ReadState } from "../../../src/instance/state.ts";

export type Contents = {
  record: InstanceState | null;
  alarm: number | null;
  events: readonly InstanceEvent[];
};

const EMPTY: Contents = { record: null, alarm: null, events: [] };

/**
 * An object's storage: what is written shows at once, and is durable when the object next waits for anything (docs:
 * durable-objects/api/sqlite-storage-api, write coalescing). Until then a crash may take all of it.
 */
export class SimulatedStorage implements KeeperStorage {
  durable: Contents = EMPTY;
  current: Contents = EMPTY;
  writes = 0;
  #waiting: (() => void)[] = [];

  get isDirty(): boolean {
    return this.current !== this.durable;
  }

  read(): ReadState {
    const { record } = this.current;
    return record === null ? { kind: "absent" } : { kind: "readable", state: record };
  }

  load(): InstanceState | null {
    return this.current.record;
  }

  save(record: InstanceState): void {
    this.writes += 1;
    this.current = { ...this.current, record };
  }

  append(event: InstanceEvent): void {
    this.current = { ...this.current, events: [...this.current.events, event] };
  }

  setAlarm(alarm: number): Promise<void> {
    this.current = { ...this.current, alarm };
    return this.#written();
  }

  erase(): Promise<void> {
    this.writes += 1;
    this.current = EMPTY;
    return this.#written();
  }

  /** The platform takes the alarm off when it rings. */
  takeAlarm(): void {
    this.current = { ...this.current, alarm: null };
    this.durable = { ...this.durable, alarm: null };
  }

  /** All that was written is durable; true when somebody waited for that. */
  commit(): boolean {
    this.durable = this.current;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
    return waiting.length > 0;
  }

  /** Whoever used the storage is gone, and with it what was not durable. */
  rollback(): void {
    this.current = this.durable;
    this.#waiting = [];
  }

  /** Nothing is left, durably. */
  lose(): void {
    this.current = EMPTY;
    this.durable = EMPTY;
    this.#waiting = [];
  }

  #written(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}
