import { z } from "zod";
import { actionNames, type ActionName } from "../http/actions.ts";
import { afterSchema, effectSchema, type AfterEffect, type Effect } from "./effects.ts";

/** A request for an action, as far as rules are concerned. */
export interface Call {
  action: ActionName;
  app: string | undefined;
  machine: string | undefined;
  volume: string | undefined;
}

const base = {
  match: z.strictObject({
    action: z.enum(actionNames),
    app: z.string().optional(),
    machine: z.string().optional(),
    volume: z.string().optional(),
  }),
  /** Calls that match and are let through first. */
  skip: z.number().int().min(0).default(0),
  /** Calls that it happens to; then the rule is spent. */
  times: z.number().int().min(1).max(1_000_000).default(1),
};

/** One fault, in the words of `POST /_test/faults`. */
export const ruleSchema = z.union([
  z.strictObject({ ...base, phase: z.literal("before").default("before"), effect: effectSchema }),
  z.strictObject({ ...base, phase: z.literal("after"), effect: afterSchema }),
]);
export type Rule = z.infer<typeof ruleSchema>;

/** Rules at a time, spent ones included. */
export const rulesMax = 200;

/** What happens to one call. */
export interface Plan {
  before: Effect | undefined;
  after: AfterEffect | undefined;
}

/** The rules, in the order in which they were given. To one call happens the first that fits, of each phase. */
export class RuleBook {
  readonly #entries: { rule: Rule; matched: number; fired: number }[] = [];

  /** False, and nothing is added, if there would be too many. */
  add(rules: readonly Rule[]): boolean {
    if (this.#entries.length + rules.length > rulesMax) return false;
    this.#entries.push(...rules.map((rule) => ({ rule, matched: 0, fired: 0 })));
    return true;
  }

  /** Takes what is to happen to the call; each of it counts as done. */
  take(call: Call): Plan {
    const plan: Plan = { before: undefined, after: undefined };
    for (const entry of this.#entries) {
      const { rule } = entry;
      const isTaken = plan[rule.phase] !== undefined;
      if (isTaken || entry.fired >= rule.times || !matches(rule, call)) continue;
      entry.matched += 1;
      if (entry.matched <= rule.skip) continue;
      entry.fired += 1;
      if (rule.phase === "before") plan.before = rule.effect;
      else plan.after = rule.effect;
    }
    return plan;
  }

  report(): (Rule & { fired: number })[] {
    return this.#entries.map(({ rule, fired }) => ({ ...rule, fired }));
  }

  clear(): void {
    this.#entries.length = 0;
  }
}

function matches({ match }: Rule, call: Call): boolean {
  return (
    match.action === call.action &&
    (match.app === undefined || match.app === call.app) &&
    (match.machine === undefined || match.machine === call.machine) &&
    (match.volume === undefined || match.volume === call.volume)
  );
}
