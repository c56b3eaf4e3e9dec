import type { EventEmitter } from "node:events";

/**
 * Ctrl-C reaches this process from the terminal, and may reach it again from the pnpm or npm that started it: signals this
 * close together are one wish.
 */
const SAME_WISH_MS = 500;

/**
 * Calls `stop` at the first SIGINT, SIGTERM or SIGHUP, and `force` at one that follows when `stop` takes too long for its
 * sender.
 *
 * @param source `process`, or what stands for it in a test.
 */
export function onStopSignal(source: EventEmitter, wish: { stop: () => void; force: () => void }): void {
  let firstAt: number | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    source.on(signal, () => {
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        wish.stop();
      } else if (now - firstAt > SAME_WISH_MS) {
        wish.force();
      }
    });
  }
}
