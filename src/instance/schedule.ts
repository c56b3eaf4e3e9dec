import type { Verdict } from "./loop.ts";
import type { Status } from "./state.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/** How often an instance at rest is compared with reality, by what it is at rest in. */
const REST_MS: Record<Status, number> = {
  running: 5 * MINUTE_MS,
  provisioned: 30 * MINUTE_MS,
  stopped: 30 * MINUTE_MS,
  destroying: MINUTE_MS,
  starting: MINUTE_MS,
  stopping: MINUTE_MS,
  recovering: MINUTE_MS,
};
const TRANSITION_MS_MIN = 2 * SECOND_MS;
const TRANSITION_MS_MAX = MINUTE_MS;

/**
 * When the alarm is to ring next: at rest by status; in a transition after some seconds, growing with the age of the
 * transition to a minute, and not before the next try. `random` in [0, 1) spreads instances by up to a tenth.
 */
export function nextAlarmAt(
  status: Status,
  statusSince: number,
  verdict: Verdict,
  now: number,
  random: number,
): number {
  const pause =
    verdict.kind === "settled"
      ? Math.min(
          REST_MS[status],
          Math.max((verdict.againAt ?? Number.POSITIVE_INFINITY) - now, TRANSITION_MS_MIN),
        )
      : Math.max(
          Math.min(Math.max((now - statusSince) / 4, TRANSITION_MS_MIN), TRANSITION_MS_MAX),
          Math.min(verdict.nextAt - now, REST_MS[status]),
        );
  return Math.round(now + pause * (1 + random / 10));
}
