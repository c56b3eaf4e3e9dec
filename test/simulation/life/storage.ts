import type { InstanceEvent } from "../../../src/instance/events.ts";
import type { KeeperStorage } from "../../../src/instance/keeper.ts";
import type { InstanceState } from "../../../src/instance/state.ts";
import type { ReadState } from "../../../src/instance/stored.ts";

export type Contents = {
  record: InstanceState | null;
  alarm: number | null;
  isRinging: boolean;
  events: readonly InstanceEvent[];
};

/** Records are never changed, so that they need no copy; the events only grow, so that their number is enough. */
type Written = {
  record: InstanceState | null;
  alarm: number | null;
  /** The alarm was taken off to ring, and neither set again nor deleted since. */
  isRinging: boolean;
  events: InstanceEvent[];
  eventCount: number;
};

/**
 * An object's storage: what is written shows at once, and is durable when the object next waits for anything (docs:
 * durable-objects/api/sqlite-storage-api, write coalescing). Until then a crash may take all of it.
 */
export class SimulatedStorage implements KeeperStorage {
  #durable: Written = nothing();
  #current: Written = this.#durable;
  writes = 0;
  #waiting: (() => void)[] = [];

  get isDirty(): boolean {
    return this.#current !== this.#durable;
  }

  /** What the next incarnation would find. Only to be looked at while nothing is unwritten. */
  get durable(): Contents {
    return this.#durable;
  }

  read(): ReadState {
    const { record } = this.#current;
    return record === null ? { kind: "absent" } : { kind: "readable", state: record };
  }

  load(): InstanceState | null {
    return this.#current.record;
  }

  save(record: InstanceState): void {
    this.writes += 1;
    this.#current = { ...this.#current, record };
  }

  append(event: InstanceEvent): void {
    const { events } = this.#current;
    events.push(event);
    this.#current = { ...this.#current, eventCount: events.length };
  }

  setAlarm(alarm: number): Promise<void> {
    this.#current = { ...this.#current, alarm, isRinging: false };
    return this.#written();
  }

  /** In the two steps of the real one (src/instance/store.ts), between which the object may end. */
  async erase(): Promise<void> {
    this.writes += 1;
    this.#current = { ...nothing(), alarm: this.#current.alarm };
    await this.#written();
    this.#current = nothing();
    await this.#written();
  }

  /** The platform takes the alarm off when it rings. */
  takeAlarm(): void {
    this.#durable = { ...this.#durable, alarm: null, isRinging: true };
    this.#current = this.#durable;
  }

  /** All that was written is durable; true when somebody waited for that. */
  commit(): boolean {
    this.#durable = this.#current;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
    return waiting.length > 0;
  }

  /** Whoever used the storage is gone, and with it what was not durable. */
  rollback(): void {
    this.#current = this.#durable;
    this.#durable.events.length = this.#durable.eventCount;
    this.#waiting = [];
  }

  /** Nothing is left, durably. */
  lose(): void {
    this.#durable = nothing();
    this.#current = this.#durable;
    this.#waiting = [];
  }

  #written(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}

function nothing(): Written {
  return { record: null, alarm: null, isRinging: false, events: [], eventCount: 0 };
}
