/** Takes back what was to happen; does nothing once it has happened. */
export type Cancel = () => void;

/** What the simulated cloud needs of time: virtual in a life, real behind HTTP. */
export type CloudClock = {
  now(): number;
  at(delayMs: number, run: () => void): Cancel;
};

type Timer = { at: number; order: number; run: (() => void) | null };

/** Virtual time began here; an instant like any other. */
export const EPOCH_MS = 1_800_000_000_000;

/** Virtual time: nothing waits, and whatever is due first happens first. Equal instants happen in the order of their asking. */
export class VirtualClock implements CloudClock {
  #now = EPOCH_MS;
  #order = 0;
  /** A binary heap by instant, then by order. */
  readonly #heap: Timer[] = [];

  now(): number {
    return this.#now;
  }

  at(delayMs: number, run: () => void): Cancel {
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), order: this.#order, run };
    this.#order += 1;
    this.#push(timer);
    return () => {
      timer.run = null;
    };
  }

  /** Ends early, without an error, when the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const cancel = this.at(ms, finish);
      signal.addEventListener("abort", finish);
    });
  }

  /** Lets the next thing happen, unless it is due after `until`. False when nothing was due. */
  advance(until: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until) {
        this.#now = Math.max(this.#now, until);
        return false;
      }
      this.#pop();
      if (next.run === null) continue;
      this.#now = next.at;
      const { run } = next;
      next.run = null;
      run();
      return true;
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(timer);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || isBefore(parent, timer)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      const isRight = right !== undefined && left !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (child === undefined || isBefore(last, child)) break;
      heap[index] = child;
      index = 2 * index + (isRight ? 2 : 1);
    }
    heap[index] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/**
 * Everything that is ready to run has run: promises resolve within one turn of the event loop. Many lives that wait here at a
 * time share the turn, which makes it cheap.
 */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
