import type { GatewayStatus } from "../../src/gateway/wire.ts";
import type { Log, Redact } from "../log.ts";
import { backoffMs } from "./backoff.ts";
import type { ChildExit, Command, LineListener } from "./child.ts";

export interface SupervisorTimings {
  /** A first start may install a channel's plugin, which took 150 s for two with the registry out of reach. */
  readonly readyMs: number;
  /** For a restart in itself, which takes 3 s: with a channel that can't be stopped 2026.9.6 never comes out of it (measured). */
  readonly restartMs: number;
  /** What a gateway may finish before it ends, or restarts in itself; then it is killed. */
  readonly stopMs: number;
  readonly portFreeMs: number;
  readonly backoffMs: (failuresInARow: number) => number;
}

export const DEFAULT_TIMINGS: SupervisorTimings = {
  readyMs: 300_000,
  restartMs: 45_000,
  stopMs: 20_000,
  portFreeMs: 15_000,
  backoffMs,
};

/** A program to run as the gateway, and how its version is to be treated. */
export interface GatewayCommand extends Command {
  /** Makes it restart in itself. */
  readonly restartSignal: NodeJS.Signals;
  /** Whether it ended for a reason that trying again does not change. */
  readonly isConfigRefused: (exit: ChildExit, lastLines: readonly string[]) => boolean;
}

/** What can be told of the gateway from outside of its process. None of it rejects. */
export interface GatewayProbe {
  /** Resolves to whether it is ready, as soon as it is, or when `signal` ends the wait. */
  ready(signal: AbortSignal): Promise<boolean>;
  /** Resolves to whether it answers nothing any more, or when `signal` ends the watch. */
  hung(signal: AbortSignal): Promise<boolean>;
  /** Resolves when it is not ready any more. */
  left(): Promise<void>;
}

export interface SupervisorOptions {
  /**
   * Called before each start, with the old process gone. Resolves to the program to run, or to null when a
   * start makes no sense yet; the cause is then in the log. One that rejects is logged and tried again likewise. When
   * `signal` has fired nothing is to be started any more.
   */
  readonly prepare: (signal: AbortSignal) => Promise<GatewayCommand | null>;
  readonly probe: GatewayProbe;
  /** Called once after a configuration was refused; the gateway is started once more after it. */
  readonly repair?: (signal: AbortSignal) => Promise<void>;
  readonly port: number;
  /** Where the process is noted, for a controller that comes after one that was killed. */
  readonly pidFile: string;
  /** The gateway's state directory, by which what it started is known. */
  readonly stateDir: string;
  readonly log: Log;
  readonly timings?: Partial<SupervisorTimings>;
  /** Called at every change of state, after it. */
  readonly onChange?: (status: GatewayStatus) => void;
  /** Called with every line that the gateway prints. One that throws is logged, and harms nothing. */
  readonly onLine?: LineListener;
  /** Takes secrets out of what the gateway prints, before anybody sees a line of it. */
  readonly redact?: Redact;
}
