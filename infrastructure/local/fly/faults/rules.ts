import { z } from "zod";
import { actionNames, type ActionName } from "../http/actions.ts";
import { afterSchema, effectSchema, endsCall, fitsAction, type AfterEffect, type Effect } from "./effects.ts";

/** A request for an action, as far as faults are concerned. */
export interface Call {
  action: ActionName;
  app: string | undefined;
  machine: string | undefined;
  volume: string | undefined;
  /** Its path, query and body. */
  text: string;
}

const base = {
  match: z.strictObject({
    action: z.enum(actionNames),
    app: z.string().optional(),
    machine: z.string().optional(),
    volume: z.string().optional(),
    /** What the request's path, query or body contains, such as a name. */
    contains: z.string().min(1).optional(),
  }),
  /** Calls that match and are let through first. */
  skip: z.number().int().min(0).default(0),
  /** Calls that it happens to; then the rule is spent. */
  times: z.number().int().min(1).max(1_000_000).default(1),
};

/** One fault, in the words of `POST /_test/faults`. */
export const ruleSchema = z
  .union([
    z.strictObject({ ...base, phase: z.literal("before").default("before"), effect: effectSchema }),
    z.strictObject({ ...base, phase: z.literal("after"), effect: afterSchema }),
  ])
  .refine(
    ({ match, effect }) => fitsAction(effect.kind, match.action),
    "the effect is not one of the action",
  );
export type Rule = z.infer<typeof ruleSchema>;

/** What happens to one call. */
export interface Plan {
  before?: Effect | undefined;
  after?: AfterEffect | undefined;
}

interface Entry {
  id: string;
  rule: Rule;
  /** Calls that matched, those that were skipped included. */
  matched: number;
  fired: number;
}

/** The rules, in the order in which they were given. To one call happens the first that fits, of each phase. */
export class RuleBook {
  readonly #entries = new Map<string, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  add(id: string, rule: Rule): void {
    this.#entries.set(id, { id, rule, matched: 0, fired: 0 });
  }

  /** Takes what is to happen to the call; each of it counts as done. */
  take(call: Call): Plan {
    const plan: Plan = {};
    const before = this.#due(call, "before");
    if (before?.phase === "before") plan.before = before.effect;
    // What comes after a call that is over already stays for another one.
    if (plan.before !== undefined && endsCall(plan.before)) return plan;
    const after = this.#due(call, "after");
    if (after?.phase === "after") plan.after = after.effect;
    return plan;
  }

  report(): object[] {
    return [...this.#entries.values()].map(({ id, rule, fired }) => ({ id, rule, fired }));
  }

  delete(id: string): boolean {
    return this.#entries.delete(id);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** The rule of the phase that is due, if any. */
  #due(call: Call, phase: Rule["phase"]): Rule | undefined {
    for (const entry of this.#entries.values()) {
      const { rule } = entry;
      if (rule.phase !== phase || entry.fired >= rule.times || !matches(rule, call)) continue;
      entry.matched += 1;
      if (entry.matched <= rule.skip) continue;
      entry.fired += 1;
      return rule;
    }
    return undefined;
  }
}

function matches({ match }: Rule, call: Call): boolean {
  return (
    match.action === call.action &&
    (match.app === undefined || match.app === call.app) &&
    (match.machine === undefined || match.machine === call.machine) &&
    (match.volume === undefined || match.volume === call.volume) &&
    (match.contains === undefined || call.text.includes(match.contains))
  );
}
