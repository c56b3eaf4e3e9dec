import { RandomFaults, type RandomSettings } from "./random.ts";
import { RuleBook, type Call, type Plan, type Rule } from "./rules.ts";

/** Rules, spent ones included, and random faults at a time. */
export const faultsMax = 200;

/** The faults of single calls that were asked for and not taken back. */
export class FaultsInForce {
  readonly #rules = new RuleBook();
  readonly #random = new Map<string, RandomFaults>();
  #ids = 0;

  /** The ids of what was added; undefined, and nothing is added, if there would be too much. */
  add(rules: readonly Rule[], random?: RandomSettings): string[] | undefined {
    const added = rules.length + (random === undefined ? 0 : 1);
    if (this.#rules.size + this.#random.size + added > faultsMax) return undefined;
    const ids = rules.map((rule) => {
      const id = this.#nextId();
      this.#rules.add(id, rule);
      return id;
    });
    if (random === undefined) return ids;
    const id = this.#nextId();
    this.#random.set(id, new RandomFaults(random));
    return [...ids, id];
  }

  /** Takes what is to happen to the call: what a rule says, else what chance has for it. */
  take(call: Call): Plan {
    let plan = this.#rules.take(call);
    for (const random of this.#random.values()) {
      if (plan.before !== undefined || plan.after !== undefined) break;
      plan = random.draw(call);
    }
    return plan;
  }

  report(): object {
    const random = [...this.#random].map(([id, { settings, drawn }]) => ({ id, settings, drawn }));
    return { rules: this.#rules.report(), random };
  }

  delete(id: string): boolean {
    return this.#rules.delete(id) || this.#random.delete(id);
  }

  clear(): void {
    this.#rules.clear();
    this.#random.clear();
  }

  #nextId(): string {
    this.#ids += 1;
    return String(this.#ids);
  }
}
