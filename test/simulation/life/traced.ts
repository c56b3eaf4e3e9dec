import { decide } from "../../../src/instance/decide.ts";
import type { KeeperPorts } from "../../../src/instance/keeper.ts";
import type { Rules } from "../../../src/instance/loop.ts";
import { applyOutcome, beginStep } from "../../../src/instance/outcome.ts";
import type { Decision } from "../../../src/instance/step.ts";
import type { Trace } from "./trace.ts";

/** The rules as they are. */
export const RULES: Rules = { decide, beginStep, applyOutcome };

/** The same core, which tells what it decides, and writes down why, and what it warns of. */
export function traced(ports: KeeperPorts, trace: Trace, decided: (decision: Decision) => void): KeeperPorts {
  const rules = ports.rules ?? RULES;
  return {
    ...ports,
    rules: {
      ...rules,
      decide: (state, seen, now) => {
        const decision = rules.decide(state, seen, now);
        trace.add(() => describe(decision, now));
        decided(decision);
        return decision;
      },
    },
    warn: (warning, sandboxId) => {
      trace.add(() => `WARNED of ${warning.what}: ${warning.why}`);
      ports.warn(warning, sandboxId);
    },
  };
}

function describe(decision: Decision, now: number): string {
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
}
