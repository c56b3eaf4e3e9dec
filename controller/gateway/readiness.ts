import { setTimeout as sleep } from "node:timers/promises";

const POLL_FIRST_MS = 50;
const POLL_MAX_MS = 200;
const PROBE_TIMEOUT_MS = 2_000;

/**
 * Polls `GET /readyz` of the gateway until it answers 200 (OpenClaw 2026.9: the moment it logs "ready").
 * Resolves to false when `signal` ends the wait.
 */
export async function waitUntilReady(port: number, signal: AbortSignal): Promise<boolean> {
  let pauseMs = POLL_FIRST_MS;
  while (!signal.aborted) {
    if (await isReady(port, signal)) return true;
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 1.5, POLL_MAX_MS);
  }
  return false;
}

async function isReady(port: number, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]),
      redirect: "error",
    });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    // Not listening yet, which the next round asks again.
    return false;
  }
}
