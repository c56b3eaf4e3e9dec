/** A small seeded generator (mulberry32), so that a seed names a life. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    return mix(this.#state);
  }

  between(min: number, max: number): number {
    return min + this.next() * (max - min);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[Math.floor(this.next() * choices.length)] ?? choices[0];
  }
}

/**
 * Randomness by place: the same seed, stream and index give the same number, whatever else was drawn before. So a life that lost
 * one of its misfortunes while it is shrunk keeps the timing of all the others.
 */
export class Noise {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = Math.imul(seed >>> 0, 0x9e3779b1) >>> 0;
  }

  /** In [0, 1). */
  at(stream: number, index: number): number {
    return mix((this.#seed ^ Math.imul(stream + 1, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35)) >>> 0);
  }

  /** A generator of its own for a place. */
  fork(stream: number, index: number): Random {
    return new Random(Math.floor(this.at(stream, index) * 4_294_967_296));
  }
}

function mix(state: number): number {
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
}
