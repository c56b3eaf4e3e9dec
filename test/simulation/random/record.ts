import type { Element, Plan, Script } from "../life/plan.ts";

/** The same plan, which remembers what of it was asked for: a life as a script, each element of which can be left out. */
export function recording(plan: Plan): { plan: Plan; script: () => Script } {
  const elements: Element[] = plan.timed.map((timed) => ({ on: "time", ...timed }));
  return {
    plan: {
      ...plan,
      byName: true,
      faultOf: (call) => {
        const fault = plan.faultOf(call);
        const { label, ordinal } = call;
        if (fault !== null) elements.push({ on: "call", label, ordinal, fault });
        return fault;
      },
      at: (point) => {
        const due = plan.at(point);
        const { label, ordinal } = point;
        for (const what of due) elements.push({ on: "point", label, ordinal, what });
        return due;
      },
    },
    script: () => ({ setup: plan.setup, elements }),
  };
}
