import { type LifeOptions, live } from "../life/life.ts";
import type { Script } from "../life/plan.ts";
import { drawPlan } from "./draw.ts";
import { recording } from "./record.ts";

type Failure = { seed: number; violations: string[] };
export type LivesResult = { lives: number; calls: number; points: number; failures: Failure[] };

/** So many lives share one turn of the event loop, which makes waiting for it cheap. */
const AT_A_TIME = 32;
const FAILURES_MAX = 1_000;

/** Lives the lives of the seeds `first`, `first + stride`, … below `end`. Ends early where `isEnough` says so. */
export async function runLives(
  { first, end, stride = 1 }: { first: number; end: number; stride?: number },
  options: LifeOptions,
  isEnough: (result: LivesResult) => boolean = () => false,
): Promise<LivesResult> {
  const result: LivesResult = { lives: 0, calls: 0, points: 0, failures: [] };
  let next = first;
  const work = async (): Promise<void> => {
    while (next < end && !isEnough(result)) {
      const seed = next;
      next += stride;
      const { violations, counts } = await live(drawPlan(seed), options);
      result.lives += 1;
      result.calls += counts.calls;
      result.points += counts.points;
      if (violations.length > 0 && result.failures.length < FAILURES_MAX)
        result.failures.push({ seed, violations });
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return { ...result, failures: result.failures.toSorted((a, b) => a.seed - b.seed) };
}

/** The life of a seed as a script of what really happened in it. */
export async function scriptOf(seed: number, options: LifeOptions): Promise<Script> {
  const { plan, script } = recording(drawPlan(seed));
  await live(plan, options);
  return script();
}
