/** An RPC waits this long for its effort to settle, then answers with the status so far. */
export const OPERATION_WAIT_MS = 25_000;
/** What an alarm gives one effort; the next alarm carries on. */
export const ALARM_WAIT_MS = 60_000;
/** What a request that found the machine silent waits for a second look. */
export const DOUBT_WAIT_MS = 3_000;
/** Until the first alarm after an operation, in case the operation itself is cut off. */
export const ALARM_AFTER_OPERATION_MS = 5_000;
