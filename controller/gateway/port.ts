import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 100;
const CONNECT_TIMEOUT_MS = 1_000;

/**
 * Waits until nothing listens on a loopback port. Resolves to false when something still does after
 * `timeoutMs`, or when `signal` ends the wait.
 */
export async function waitForFreePort(
  port: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (await isListening(port)) {
    if (performance.now() >= deadline) return false;
    const waited = await sleep(POLL_MS, true, { signal }).catch(() => false);
    if (!waited) return false;
  }
  return true;
}

/** Whether a connection to the port is accepted. A try that times out means that something holds it. */
function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const settle = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => settle(true));
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}
