import { EPOCH_MS } from "../clock.ts";

/** What happened in a life, line by line with virtual times; says nothing unless somebody wants to read it. */
export class Trace {
  readonly lines: string[] = [];
  readonly #now: () => number;
  readonly on: boolean;

  constructor(on: boolean, now: () => number) {
    this.on = on;
    this.#now = now;
  }

  add(line: () => string): void {
    if (!this.on) return;
    const seconds = (this.#now() - EPOCH_MS) / 1_000;
    this.lines.push(`${seconds.toFixed(3).padStart(10)} s  ${line()}`);
  }
}
