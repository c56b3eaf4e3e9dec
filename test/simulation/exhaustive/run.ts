import { type LifeOptions, live } from "../life/life.ts";
import { planOf } from "../life/plan.ts";
import { type Cell, cellsOf } from "./cells.ts";
import { SCENARIOS } from "./scenarios.ts";

type CellFailure = { cell: Cell; violations: string[] };
export type ExhaustiveResult = { cells: number; failures: CellFailure[] };

const AT_A_TIME = 32;
const FAILURES_MAX = 2_000;

/** Runs every cell of every scenario, or of each `part`-th in `parts`, so that several may share the work. */
export async function runExhaustive(
  { part = 0, parts = 1 }: { part?: number; parts?: number },
  options: LifeOptions,
): Promise<ExhaustiveResult> {
  const result: ExhaustiveResult = { cells: 0, failures: [] };
  const cells: Cell[] = [];
  for (const scenario of SCENARIOS) cells.push(...(await cellsOf(scenario, options)));
  let next = part;
  const work = async (): Promise<void> => {
    for (;;) {
      const cell = cells[next];
      next += parts;
      if (cell === undefined) return;
      const { violations } = await live(planOf(cell.script), options);
      result.cells += 1;
      if (violations.length > 0 && result.failures.length < FAILURES_MAX)
        result.failures.push({ cell, violations });
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return result;
}
