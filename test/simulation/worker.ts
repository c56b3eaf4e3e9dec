import { parentPort, workerData } from "node:worker_threads";
import { z } from "zod";
import { runExhaustive } from "./exhaustive/run.ts";
import { RULES } from "./life/rules.ts";
import { runLives } from "./random/run.ts";

const taskSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("lives"), first: z.number(), end: z.number(), stride: z.number() }),
  z.object({ kind: z.literal("exhaustive"), part: z.number(), parts: z.number() }),
]);
export type Task = z.infer<typeof taskSchema>;

const OPTIONS = { trace: false, strict: false, places: false, rules: RULES };

const task = taskSchema.parse(workerData);
const result =
  task.kind === "lives"
    ? await runLives(task, OPTIONS)
    : await runExhaustive(task, { ...OPTIONS, strict: true });
parentPort?.postMessage(result);
