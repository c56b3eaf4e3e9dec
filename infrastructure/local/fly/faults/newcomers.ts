import type { Clock } from "../clock.ts";
import { Expectations } from "./expectations.ts";

/** Hidden things remembered at a time; the oldest is then shown early. */
const hiddenMax = 10_000;

/** Machines and volumes that were made just now and cannot be read yet (contracts/fly-machines-api §9 F-05). */
export class Newcomers {
  readonly #clock: Clock;
  readonly #hiddenUntil = new Map<string, number>();
  readonly #expected = new Expectations<{ forMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Hides the next machine, or volume, of the app. The returned function takes it back. */
  hideNext(kind: "machine" | "volume", app: string, forMs: number): () => void {
    return this.#expected.add(`${kind}:${app}`, { forMs });
  }

  arrived(kind: "machine" | "volume", app: string, id: string): void {
    const expected = this.#expected.take(`${kind}:${app}`);
    if (expected === undefined) return;
    this.#hiddenUntil.set(id, this.#clock.now() + expected.forMs);
    const [oldest] = this.#hiddenUntil.keys();
    if (this.#hiddenUntil.size > hiddenMax && oldest !== undefined) this.#hiddenUntil.delete(oldest);
  }

  isHidden(id: string): boolean {
    const untilMs = this.#hiddenUntil.get(id);
    if (untilMs === undefined) return false;
    if (untilMs > this.#clock.now()) return true;
    this.#hiddenUntil.delete(id);
    return false;
  }

  get anyIsHidden(): boolean {
    return this.#hiddenUntil.size > 0;
  }

  clear(): void {
    this.#hiddenUntil.clear();
    this.#expected.clear();
  }
}
