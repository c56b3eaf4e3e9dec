/** What is to happen to things that are not there yet, by where they will be: each is taken once. */
export class Expectations<T> {
  readonly #waiting = new Map<string, T[]>();

  /** The returned function takes the expectation back. */
  add(place: string, value: T): () => void {
    this.#waiting.set(place, [...(this.#waiting.get(place) ?? []), value]);
    return () => this.#keep(place, (other) => other !== value);
  }

  take(place: string): T | undefined {
    const first = this.#waiting.get(place)?.[0];
    if (first !== undefined) this.#keep(place, (other) => other !== first);
    return first;
  }

  clear(): void {
    this.#waiting.clear();
  }

  #keep(place: string, keeps: (value: T) => boolean): void {
    const kept = this.#waiting.get(place)?.filter(keeps) ?? [];
    if (kept.length === 0) this.#waiting.delete(place);
    else this.#waiting.set(place, kept);
  }
}
