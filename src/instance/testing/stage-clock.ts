import type { ClockPort } from "../loop.ts";
import { NOW } from "./records.ts";

/**
 * Time of its own: it passes as fast as the loop can use it, and stands still where the test says. It does not wait for
 * calls that are under way, but for those that are made through `whileTimeStands`; so a bound that may be slept to is a bound
 * that is reached at once.
 */
export class StageClock implements ClockPort {
  #now = NOW;
  #limit = NOW;
  #sleepers: { until: number; wake: () => void }[] = [];
  #isPumping = false;
  #callsUnderWay = 0;

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = { until: this.#now + ms, wake: (): void => resolve() };
      this.#sleepers.push(sleeper);
      signal.addEventListener(
        "abort",
        () => {
          this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
          resolve();
        },
        { once: true },
      );
      this.#pump();
    });
  }

  /** The same calls, during which no time passes. */
  whileTimeStands<T extends object>(calls: T): T {
    return new Proxy(calls, {
      get: (target, name, receiver) => {
        const call: unknown = Reflect.get(target, name, receiver);
        if (typeof call !== "function") return call;
        return async (...args: unknown[]): Promise<unknown> => {
          this.#callsUnderWay += 1;
          try {
            return await Reflect.apply(call, target, args);
          } finally {
            this.#callsUnderWay -= 1;
            this.#pump();
          }
        };
      },
    });
  }

  letPass(ms: number): void {
    this.#limit += ms;
    this.#pump();
  }

  /** Whether so many sleep, and all of them past the point where time stands. */
  isStandingStill(sleepers: number): boolean {
    return this.#sleepers.length === sleepers && this.#sleepers.every(({ until }) => until > this.#limit);
  }

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setTimeout(() => {
      this.#isPumping = false;
      if (this.#callsUnderWay > 0) return;
      const [next] = this.#sleepers.toSorted((a, b) => a.until - b.until);
      if (next === undefined || next.until > this.#limit) return;
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.until);
      next.wake();
      this.#pump();
    }, 0);
  }
}
