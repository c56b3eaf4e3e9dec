import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { z } from "zod";
import type { ExhaustiveResult } from "./exhaustive/run.ts";
import { SCENARIOS } from "./exhaustive/scenarios.ts";
import { type LifeOptions, PLAIN } from "./life/life.ts";
import type { Script } from "./life/plan.ts";
import { type LivesResult, scriptOf } from "./random/run.ts";
import { likeness, shrink } from "./random/shrink.ts";
import type { Task } from "./worker.ts";

const USAGE = `Usage: pnpm sim [--lives N] [--seed S] [--exhaustive] [--trace]

  --lives N      so many random lives (1000), those of the seeds S, S+1, …
  --seed S       the first of them (1)
  --exhaustive   instead, every single misfortune at every place of every operation
  --trace        with --lives 1: print the life even where nothing is violated
`;

const optionsSchema = z.object({
  lives: z.coerce.number().int().min(1).max(10_000_000).default(1_000),
  seed: z.coerce.number().int().min(0).default(1),
  exhaustive: z.boolean().default(false),
  trace: z.boolean().default(false),
  help: z.boolean().default(false),
});
type Options = z.infer<typeof optionsSchema>;

const TRACED: LifeOptions = { ...PLAIN, trace: true, strict: true };
const SHOWN_MAX = 3;
const KINDS_MAX = 30;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      lives: { type: "string" },
      seed: { type: "string" },
      exhaustive: { type: "boolean" },
      trace: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  const options = optionsSchema.parse(values);
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  return options.exhaustive ? runCells() : runRandom(options);
}

async function runRandom({ lives, seed, trace }: Options): Promise<number> {
  const startedAt = performance.now();
  const stride = Math.min(availableParallelism(), lives);
  const tasks = Array.from({ length: stride }, (_, core): Task => ({
    kind: "lives",
    first: seed + core,
    end: seed + lives,
    stride,
  }));
  const parts = await Promise.all(tasks.map((task) => inWorker<LivesResult>(task)));
  const seconds = (performance.now() - startedAt) / 1_000;
  const failures = parts.flatMap((part) => part.failures).toSorted((a, b) => a.seed - b.seed);
  for (const failure of failures.slice(0, SHOWN_MAX)) {
    await show(`seed ${failure.seed}`, await scriptOf(failure.seed, TRACED));
  }
  if (trace && lives === 1 && failures.length === 0) await show(`seed ${seed}`, await scriptOf(seed, TRACED));
  listKinds(failures.map(({ seed: failed, violations }) => ({ where: String(failed), violations })));
  const calls = parts.reduce((sum, part) => sum + part.calls, 0);
  const points = parts.reduce((sum, part) => sum + part.points, 0);
  console.log(
    `${lives} lives (seeds ${seed} to ${seed + lives - 1}) with ${calls} calls to Fly and ${points} points to interfere at, ` +
      `${failures.length} violated; ${seconds.toFixed(1)} s, ${(lives / seconds).toFixed(0)} lives a second on ${stride} cores.`,
  );
  return failures.length === 0 ? 0 : 1;
}

async function runCells(): Promise<number> {
  const startedAt = performance.now();
  const parts = availableParallelism();
  const tasks = Array.from({ length: parts }, (_, part): Task => ({ kind: "exhaustive", part, parts }));
  const results = await Promise.all(tasks.map((task) => inWorker<ExhaustiveResult>(task)));
  const seconds = (performance.now() - startedAt) / 1_000;
  const failures = results.flatMap((result) => result.failures);
  for (const { cell } of failures.slice(0, SHOWN_MAX)) await show(cell.scenario, cell.script);
  listKinds(
    failures.map(({ cell, violations }) => ({
      where: `${cell.scenario}: ${JSON.stringify(cell.script.elements.at(-1))}`,
      violations,
    })),
  );
  const cells = results.reduce((sum, result) => sum + result.cells, 0);
  console.log(
    `${cells} cells of ${SCENARIOS.length} scenarios, ${failures.length} violated; ${seconds.toFixed(1)} s on ${parts} cores.`,
  );
  return failures.length === 0 ? 0 : 1;
}

/** A life that fails, shrunk to what it fails by; a life that does not, as it was. */
async function show(title: string, whole: Script): Promise<void> {
  const { script, result } = await shrink(whole, TRACED);
  console.log(`\n${title}: ${result.violations.join("; ") || "nothing violated"}`);
  console.log(`  ${JSON.stringify(script)}`);
  for (const line of result.trace) console.log(`  ${line}`);
}

/** The failures by what was violated, the most frequent first. */
function listKinds(failures: { where: string; violations: string[] }[]): void {
  const kinds = Map.groupBy(failures, ({ violations }) => likeness(violations[0] ?? ""));
  const frequent = [...kinds].toSorted((a, b) => b[1].length - a[1].length).slice(0, KINDS_MAX);
  for (const [violation, alike] of frequent) {
    const where = alike.slice(0, 4).map((failure) => failure.where);
    console.log(`${String(alike.length).padStart(6)} × ${violation} (${where.join("; ")})`);
  }
}

/** The worker is a part of this program, and answers with what the task asks for. */
function inWorker<Result>(task: Task): Promise<Result> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("worker.ts", import.meta.url), { workerData: task });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}
