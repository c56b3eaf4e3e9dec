import { expect, it } from "vitest";
import { PLAIN } from "./life/life.ts";
import { BUGS } from "./planted.ts";
import { runLives } from "./random/run.ts";

const LIVES = 1_000;

it.each(BUGS)(
  `a core that $name is caught within ${LIVES} lives`,
  async ({ plant, caughtBy }) => {
    const isCaught = (violations: string[]): boolean =>
      violations.some((violation) => caughtBy.test(violation));
    const { failures } = await runLives({ first: 1, end: 1 + LIVES }, { ...PLAIN, plant }, (so) =>
      so.failures.some(({ violations }) => isCaught(violations)),
    );
    expect(failures.flatMap(({ violations }) => violations)).toContainEqual(expect.stringMatching(caughtBy));
  },
  60_000,
);
