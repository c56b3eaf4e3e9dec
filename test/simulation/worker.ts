import { parentPort, workerData } from "node:worker_threads";
import { z } from "zod";
import { runExhaustive } from "./exhaustive/run.ts";
import { PLAIN } from "./life/life.ts";
import { runLives } from "./random/run.ts";

const taskSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("lives"), first: z.number(), end: z.number(), stride: z.number() }),
  z.object({ kind: z.literal("exhaustive"), part: z.number(), parts: z.number() }),
]);
export type Task = z.infer<typeof taskSchema>;

const task = taskSchema.parse(workerData);
const result =
  task.kind === "lives" ? await runLives(task, PLAIN) : await runExhaustive(task, { ...PLAIN, strict: true });
parentPort?.postMessage(result, []);
