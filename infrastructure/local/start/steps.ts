import type { Terminal } from "./terminal.ts";

/** Runs `work` and shows its progress under `label`; what `work` tells `note` stands beside the seconds. */
export type Step = <T>(label: string, work: (note: (text: string) => void) => Promise<T>) => Promise<T>;

/** A step quicker than this is not worth a line of its own when all is well. */
const SHOWN_FROM_MS = 3_000;

/** Where there is no live line, a long step says so every so often. */
const REMINDER_MS = 10_000;

const TICK_MS = 100;

/**
 * Progress of steps that run side by side: one live line with the seconds of each on a terminal, a line every ten seconds
 * elsewhere, and a line for each long one when it is done. A failure is told where the step's caller tells it.
 */
export function createSteps(terminal: Terminal): Step {
  const running = new Map<symbol, { label: string; startedAt: number; note: string; remindedAt: number }>();
  let ticking: NodeJS.Timeout | undefined;

  const show = () => {
    const now = performance.now();
    const all = [...running.values()];
    terminal.live(
      all
        .map(
          ({ label, startedAt, note }) =>
            `${label} ${seconds(now - startedAt)}${note === "" ? "" : ` ${note}`}`,
        )
        .join(" · "),
    );
    if (terminal.isInteractive) return;
    for (const step of all) {
      if (now - step.remindedAt < REMINDER_MS) continue;
      step.remindedAt = now;
      terminal.print(`… ${step.label} ${seconds(now - step.startedAt)} ${step.note}`.trimEnd());
    }
  };

  return async (label, work) => {
    const key = Symbol(label);
    const startedAt = performance.now();
    const step = { label, startedAt, note: "", remindedAt: startedAt };
    running.set(key, step);
    ticking ??= setInterval(show, TICK_MS).unref();
    show();
    try {
      const result = await work((note) => {
        step.note = note;
      });
      const elapsedMs = performance.now() - startedAt;
      if (elapsedMs >= SHOWN_FROM_MS) {
        terminal.print(
          `${terminal.style("green", "✓")} ${label} ${terminal.style("dim", seconds(elapsedMs))}`,
        );
      }
      return result;
    } finally {
      running.delete(key);
      if (running.size === 0) {
        clearInterval(ticking);
        ticking = undefined;
      }
      show();
    }
  };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
