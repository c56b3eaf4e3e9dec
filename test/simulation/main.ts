import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { z } from "zod";
import type { LifeOptions } from "./life/life.ts";
import { type Failure, type LivesResult, scriptOf } from "./random/run.ts";
import { likeness, shrink } from "./random/shrink.ts";

const USAGE = `Usage: pnpm sim [--lives N] [--seed S] [--exhaustive] [--trace]

  --lives N      how many random lives (1000), those of the seeds S, S+1, …
  --seed S       the first of them (1)
  --exhaustive   every single misfortune at every place of every operation, instead of random lives
  --trace        print the whole of each life that fails; with --lives 1, of that life
`;

const optionsSchema = z.object({
  lives: z.coerce.number().int().min(1).max(10_000_000).default(1_000),
  seed: z.coerce.number().int().min(0).default(1),
  exhaustive: z.boolean().default(false),
  trace: z.boolean().default(false),
  help: z.boolean().default(false),
});

const livesSchema = z.object({
  lives: z.number(),
  calls: z.number(),
  points: z.number(),
  failures: z.array(z.object({ seed: z.number(), violations: z.array(z.string()) })),
});

const TRACED: LifeOptions = { trace: true, strict: true, places: false, seams: {} };
const SHOWN_MAX = 3;

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
  return runRandom(options);
}

async function runRandom({ lives, seed, trace }: z.infer<typeof optionsSchema>): Promise<number> {
  const startedAt = performance.now();
  const cores = Math.min(availableParallelism(), lives);
  const parts = await Promise.all(
    Array.from({ length: cores }, (_, core) =>
      inWorker({ first: seed + core, end: seed + lives, stride: cores }),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  const failures = parts.flatMap((part) => part.failures).toSorted((a, b) => a.seed - b.seed);
  for (const failure of failures.slice(0, SHOWN_MAX)) await show(failure.seed);
  if (trace && lives === 1 && failures.length === 0) await show(seed);
  for (const [violation, seeds] of kindsOf(failures))
    console.log(`${String(seeds.length).padStart(6)} × ${violation} (seeds ${seeds.slice(0, 5).join(", ")})`);
  const calls = sum(parts, "calls");
  const rate = (lives / seconds).toFixed(0);
  console.log(
    `${lives} lives (seeds ${seed} to ${seed + lives - 1}), ${calls} calls to Fly, ${sum(parts, "points")} points: ` +
      `${failures.length} violated. ${seconds.toFixed(1)} s, ${rate} lives/s on ${cores} cores.`,
  );
  return failures.length === 0 ? 0 : 1;
}

/** The failures by what was violated, the most frequent first. */
function kindsOf(failures: Failure[]): [violation: string, seeds: number[]][] {
  const kinds = new Map<string, number[]>();
  for (const { seed, violations } of failures) {
    const kind = likeness(violations[0] ?? "");
    kinds.set(kind, [...(kinds.get(kind) ?? []), seed]);
  }
  return [...kinds].toSorted((a, b) => b[1].length - a[1].length);
}

/** A life that fails, shrunk to what it fails by; a life that does not, as it was. */
async function show(seed: number): Promise<void> {
  const { script, result } = await shrink(await scriptOf(seed, TRACED), TRACED);
  console.log(`\nseed ${seed}: ${result.violations.join("; ") || "nothing violated"}`);
  console.log(`  ${JSON.stringify(script)}`);
  for (const line of result.trace) console.log(`  ${line}`);
}

function sum(parts: LivesResult[], key: "calls" | "points"): number {
  return parts.reduce((total, part) => total + part[key], 0);
}

function inWorker(workerData: { first: number; end: number; stride: number }): Promise<LivesResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("worker.ts", import.meta.url), { workerData });
    worker.once("message", (message: unknown) => resolve(livesSchema.parse(message)));
    worker.once("error", reject);
  });
}
