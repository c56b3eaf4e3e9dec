/** One line of the instance's own log, from which "why is it not running?" is answered. */
export type InstanceEvent = {
  /** Milliseconds since the epoch. */
  at: number;
  kind: "operation" | "step" | "status" | "problem" | "warning";
  /** The operation, the step, the new status, the problem's code, or what is warned of. */
  what: string;
  why: string;
  /** What came of a step; null for the others. */
  outcome: string | null;
  durationMs: number | null;
};

export const EVENTS_MAX = 500;
const EVENT_TEXT_CHARS_MAX = 600;

/** The event with its texts cut to what the log keeps of each. */
export function clipEvent(event: InstanceEvent): InstanceEvent {
  return {
    ...event,
    why: event.why.slice(0, EVENT_TEXT_CHARS_MAX),
    outcome: event.outcome?.slice(0, EVENT_TEXT_CHARS_MAX) ?? null,
  };
}
