/**
 * Runs `work` with a signal that fires after `ms`, or when `outer` does. Unlike `AbortSignal.timeout` its timer ends with the
 * work: a timer that is left running keeps a Durable Object in memory, and on the bill, until it fires.
 */
export async function withDeadline<T>(
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(outer?.reason);
  if (outer?.aborted === true) abort();
  outer?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => controller.abort(new DeadlineError(`no answer within ${ms} ms`)), ms);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", abort);
  }
}

/** Whether it was the deadline that ended the work. `fetch` rejects with a copy of the reason: same name, not same class. */
export function isDeadline(cause: unknown): boolean {
  return cause instanceof Error && cause.name === DEADLINE_NAME;
}

const DEADLINE_NAME = "DeadlineError";

class DeadlineError extends Error {
  override readonly name = DEADLINE_NAME;
}
