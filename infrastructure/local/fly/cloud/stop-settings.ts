import { parseDurationMs } from "../duration.ts";
import type { Machine } from "../state/model.ts";

/** How a machine's program is asked to end, and how long it may take. */
export interface StopSettings {
  signal: NodeJS.Signals;
  timeoutMs: number;
}

/** The signals that stop, restart and `stop_config` take. */
export const stopSignals = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGKILL",
  "SIGUSR1",
  "SIGUSR2",
  "SIGTERM",
] as const satisfies NodeJS.Signals[];

/** Fly's limit. */
const timeoutMsMax = 300_000;
const timeoutMsDefault = 5000;

/** The call's own settings, else those of `config.stop_config`, else Fly's defaults: SIGINT and five seconds. */
export function stopSettings(machine: Machine, asked: Partial<StopSettings> = {}): StopSettings {
  const configured = machine.config.stop_config;
  const configuredMs = configured?.timeout === undefined ? undefined : parseDurationMs(configured.timeout);
  return {
    signal: asked.signal ?? stopSignals.find((name) => name === configured?.signal) ?? "SIGINT",
    timeoutMs: Math.min(asked.timeoutMs ?? configuredMs ?? timeoutMsDefault, timeoutMsMax),
  };
}
