import { parentPort, workerData } from "node:worker_threads";
import { z } from "zod";
import { runLives } from "./random/run.ts";

const rangeSchema = z.object({ first: z.number(), end: z.number(), stride: z.number() });

const result = await runLives(rangeSchema.parse(workerData), {
  trace: false,
  strict: false,
  places: false,
  seams: {},
});
parentPort?.postMessage(result);
