import { expect, it } from "vitest";
import { runExhaustive } from "./exhaustive/run.ts";
import { PLAIN } from "./life/life.ts";
import { runLives } from "./random/run.ts";

const LIVES = 2_000;
/** Each so many-th cell; `pnpm sim --exhaustive` runs them all. */
const CELLS_PART = 20;

it(`${LIVES} random lives end as their users wished, and break no law on the way`, async () => {
  const { lives, failures } = await runLives({ first: 1, end: 1 + LIVES }, PLAIN);
  expect(failures).toEqual([]);
  expect(lives).toBe(LIVES);
}, 120_000);

it("no single misfortune at any of these places of an operation does harm", async () => {
  const { cells, failures } = await runExhaustive({ part: 0, parts: CELLS_PART }, { ...PLAIN, strict: true });
  expect(failures).toEqual([]);
  expect(cells).toBeGreaterThan(1_000);
}, 120_000);
