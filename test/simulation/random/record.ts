import type { Element, Plan, Script } from "../life/plan.ts";

/** The same plan, which remembers what of it was asked for: a life as a script, each element of which can be left out. */
export function recording(plan: Plan): { plan: Plan; script: () => Script } {
  const elements: Element[] = plan.timed.map((timed) => ({ on: "time", ...timed }));
  return {
    plan: {
      ...plan,
      faultOf: (index) => {
        const fault = plan.faultOf(index);
        if (fault !== null) elements.push({ on: "call", index, fault });
        return fault;
      },
      at: (index) => {
        const due = plan.at(index);
        for (const what of due) elements.push({ on: "point", index, what });
        return due;
      },
    },
    script: () => ({ setup: plan.setup, elements }),
  };
}
