const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 300_000;
/** A gateway that was healthy for this long starts with a clean record. */
const HEALTHY_AFTER_MS = 30_000;

/**
 * Unasked ends in a row, after one more: the count starts anew when the run that ended was healthy for long.
 *
 * @param healthyMs how long the run was ready, 0 when it never was
 */
export function countFailure(before: number, healthyMs: number): number {
  return wasHealthy(healthyMs) ? 1 : before + 1;
}

/** Whether a run of this length tells that nothing was wrong with how it began. */
export function wasHealthy(healthyMs: number): boolean {
  return healthyMs >= HEALTHY_AFTER_MS;
}

/** The pause before the next start: 1 s, doubled with each failure in a row, at most 5 minutes. */
export function backoffMs(failuresInARow: number): number {
  return Math.min(BACKOFF_FIRST_MS * 2 ** Math.max(0, failuresInARow - 1), BACKOFF_MAX_MS);
}
