import { expect, it } from "vitest";
import { live, PLAIN } from "../life/life.ts";
import { planOf, type Script } from "../life/plan.ts";
import { BUGS } from "../planted.ts";
import { runLives, scriptOf } from "./run.ts";
import { shrink } from "./shrink.ts";

const options = {
  ...PLAIN,
  ...BUGS.find(({ name }) => name === "erases the record once the machine is gone"),
};

it("tells of a life that fails only what it fails by", async () => {
  const { failures } = await runLives({ first: 1, end: 1_000 }, options, (so) => so.failures.length > 0);
  const seed = failures[0]?.seed ?? 0;
  const whole = await scriptOf(seed, options);
  const { script, result } = await shrink(whole, { ...options, trace: true });
  expect(result.violations[0]).toMatch(/the record was erased before/);
  expect(script.elements.length).toBeLessThanOrEqual(4);
  expect(script.elements.length).toBeLessThan(whole.elements.length);
  expect(result.trace.join("\n")).toMatch(/USER destroy[^]*record erased/);
}, 60_000);

it("lives the same life again from its script", async () => {
  const script = await scriptOf(7, PLAIN);
  const again = async (from: Script): Promise<string[]> =>
    (await live(planOf(from), { ...PLAIN, trace: true })).trace;
  const trace = await again(script);
  expect(trace.length).toBeGreaterThan(10);
  expect(await again(script)).toEqual(trace);
});
