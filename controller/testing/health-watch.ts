import { setTimeout as sleep } from "node:timers/promises";
import { controllerHealthSchema } from "../../src/gateway/wire.ts";

const EVERY_MS = 50;
/** An answer that takes longer is none: Fly's checks and the Worker give up before it. */
const ANSWER_MS_MAX = 2_000;

export interface HealthWatch {
  /** Ends the watch. Rejects with the first question that was not answered as it should be. */
  end(): Promise<{ readonly answers: number; readonly seen: readonly string[] }>;
}

/** Asks a controller's health every 50 ms. */
export function watchHealth(url: string): HealthWatch {
  const over = new AbortController();
  const seen = new Set<string>();
  let answers = 0;
  const ask = async (): Promise<void> => {
    const response = await fetch(`${url}/_kilo/health`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const { state, stage } = controllerHealthSchema.parse(await response.json());
    if (response.status !== 200) throw new Error(`health answered ${response.status}`);
    seen.add(`${state} ${stage}`);
    answers += 1;
  };
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await ask();
      await sleep(EVERY_MS);
    }
  };
  const watching = watch();
  // Its failure is told by `end`.
  watching.catch(() => undefined);
  return {
    async end() {
      over.abort();
      await watching;
      await ask();
      return { answers, seen: [...seen] };
    },
  };
}
