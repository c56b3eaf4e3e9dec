/** How often a call may be made: at once `burst` times, and from then on `perSecond`. */
export type Rate = { perSecond: number; burst: number };

/** Fly's own rates (https://fly.io/docs/machines/api/working-with-machines-api/#rate-limits). */
export const RATES = {
  /** Of one action on one machine, or on one app where no machine is named. */
  action: { perSecond: 1, burst: 3 },
  getMachine: { perSecond: 5, burst: 10 },
  /** Of the whole organization: 100 a minute, of which most are kept for a steady pace. */
  deleteApp: { perSecond: 100 / 60, burst: 10 },
} as const satisfies Record<string, Rate>;

export type Permit =
  /** The call may be made in `waitMs`, and is counted already. */
  { kind: "granted"; waitMs: number } | { kind: "refused"; retryAfterMs: number };

export type RateLimiter = {
  /** Asks for one call of the bucket `key`. */
  ask(key: string, rate: Rate): Permit;
};

/** What a call may be delayed by. More callers than can be served in this time are refused, and so never queue up. */
const DELAY_MS_MAX = 2_000;
/** Calls arrive less evenly than they are sent, and Fly counts them as they arrive. */
const INTERVAL_MARGIN_MS = 25;
/** A bucket that was dropped is a full one: nothing but Fly's own limit is lost. */
const BUCKETS_MAX = 4_096;

/**
 * Token buckets, kept as the instant at which each is full again (the "virtual scheduling" of the generic cell rate algorithm,
 * ITU-T I.371). `now` gives milliseconds.
 */
export function createRateLimiter(now: () => number): RateLimiter {
  const fullAt = new Map<string, number>();
  return {
    ask(key, { perSecond, burst }) {
      const nowMs = now();
      const intervalMs = 1_000 / perSecond + INTERVAL_MARGIN_MS;
      const full = Math.max(fullAt.get(key) ?? nowMs, nowMs);
      const waitMs = Math.ceil(Math.max(0, full - nowMs - (burst - 1) * intervalMs));
      if (waitMs > DELAY_MS_MAX) return { kind: "refused", retryAfterMs: waitMs };
      // Deleted first, so that the order of the map is the order of use.
      fullAt.delete(key);
      fullAt.set(key, full + intervalMs);
      const [oldest] = fullAt.keys();
      if (fullAt.size > BUCKETS_MAX && oldest !== undefined) fullAt.delete(oldest);
      return { kind: "granted", waitMs };
    },
  };
}

/** Shared by all clients of the isolate, as Fly counts what they do together. */
export const isolateRateLimiter = createRateLimiter(() => Date.now());
