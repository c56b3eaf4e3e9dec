import type { Clock } from "../clock.ts";

/** Buckets kept; when there are more, the full ones, which limit nothing, are dropped. */
const bucketsMax = 10_000;

/**
 * Fly's limits: per action and machine (or app) one request a second with a burst of three, for reading a machine
 * five with a burst of ten. True if the request may pass.
 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  allows(action: string, subject: string): boolean {
    const { perSecond, burst } =
      action === "machine_get" ? { perSecond: 5, burst: 10 } : { perSecond: 1, burst: 3 };
    const key = `${action}:${subject}`;
    const nowMs = this.#clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    this.#buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#buckets.size > bucketsMax) this.#dropIdle(nowMs);
    return tokens >= 1;
  }

  #dropIdle(nowMs: number): void {
    // Ten seconds fill every bucket.
    for (const [key, { atMs }] of this.#buckets) if (nowMs - atMs > 10_000) this.#buckets.delete(key);
  }
}
