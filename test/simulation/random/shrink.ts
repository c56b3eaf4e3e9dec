import { type LifeOptions, type LifeResult, live } from "../life/life.ts";
import { planOf, type Script } from "../life/plan.ts";

const RUNS_MAX = 1_500;

export type Shrunk = { script: Script; result: LifeResult };

/**
 * Leaves out of a life that fails whatever it fails without: first large parts, then single elements, from the end, since what
 * comes first shifts the numbers of what follows. It must fail in the same way all along.
 */
export async function shrink(script: Script, options: LifeOptions): Promise<Shrunk> {
  const first = await live(planOf(script), options);
  const wanted = first.violations[0];
  if (wanted === undefined) return { script, result: first };
  let best: Shrunk = { script, result: first };
  let runs = 0;
  const attempt = async (candidate: Script): Promise<boolean> => {
    if (runs >= RUNS_MAX) return false;
    runs += 1;
    const result = await live(planOf(candidate), options);
    if (!result.violations.some((violation) => likeness(violation) === likeness(wanted))) return false;
    best = { script: candidate, result };
    return true;
  };
  for (const setup of simplerSetups(script)) await attempt({ ...best.script, setup });
  let size = Math.ceil(best.script.elements.length / 2);
  while (size >= 1) {
    let hasShrunk = false;
    for (
      let end = best.script.elements.length;
      end > 0;
      end = Math.min(end - size, best.script.elements.length)
    ) {
      const elements = best.script.elements.toSpliced(Math.max(0, end - size), size);
      if (await attempt({ ...best.script, elements })) hasShrunk = true;
    }
    if (size === 1 && !hasShrunk) break;
    size = size === 1 ? 1 : Math.floor(size / 2);
    if (runs >= RUNS_MAX) break;
  }
  return best;
}

function simplerSetups({ setup }: Script): Script["setup"][] {
  return [
    { ...setup, rough: false },
    { ...setup, ownApp: false, namesTaken: 0 },
    { ...setup, namesTaken: 0 },
    { ...setup, hostsEnd: "back" },
  ];
}

/** What is violated, without the names and numbers of the one life. */
export function likeness(violation: string): string {
  return violation.replaceAll(/vol_\w+|\b[0-9a-f]{14}\b|\d+/g, "#");
}
