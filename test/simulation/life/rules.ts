import { decide } from "../../../src/instance/decide.ts";
import type { Rules } from "../../../src/instance/loop.ts";
import { applyOutcome, beginStep } from "../../../src/instance/outcome.ts";
import type { Trace } from "./trace.ts";

/** The rules as they are. */
export const RULES: Rules = { decide, beginStep, applyOutcome };

/** The same rules, which write down what they decide and why. */
export function traced(rules: Rules, trace: Trace): Rules {
  if (!trace.on) return rules;
  return {
    ...rules,
    decide: (state, seen, now) => {
      const decision = rules.decide(state, seen, now);
      trace.add(() => {
        switch (decision.kind) {
          case "step":
            return `DECIDED ${decision.step.kind}: ${decision.reason}`;
          case "wait":
            return `DECIDED to wait ${Math.round((decision.until - now) / 1_000)} s: ${decision.reason}`;
          case "settled":
            return `DECIDED: at rest, ${decision.reason}`;
          default:
            return decision satisfies never;
        }
      });
      return decision;
    },
  };
}
