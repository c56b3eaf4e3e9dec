import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayFailure, GatewayStateName, GatewayStatus } from "../../src/gateway/wire.ts";
import { errorText, type Log } from "../log.ts";
import { backoffMs, countFailure } from "./backoff.ts";
import { causeOfEnd } from "./cause.ts";
import { startChild, type Child, type ChildExit, type Command } from "./child.ts";
import { createRing } from "./lines.ts";
import { killOrphan, rememberProcess } from "./orphan.ts";
import { waitForFreePort } from "./port.ts";
import { waitUntilReady } from "./readiness.ts";

/** Enough for the cause of a crash to stand beside it in the log. */
const LAST_LINES_MAX = 20;
/** The state at once when no process has to end first. */
const AT_ONCE = { up: "starting", down: "stopped", gone: "shutting-down" } as const;

export interface SupervisorTimings {
  /** A first start may install a channel's plugin, which took 150 s for two with the registry out of reach. */
  readonly readyMs: number;
  readonly stopMs: number;
  readonly portFreeMs: number;
  readonly backoffMs: (failuresInARow: number) => number;
}

const DEFAULT_TIMINGS: SupervisorTimings = {
  readyMs: 300_000,
  stopMs: 20_000,
  portFreeMs: 15_000,
  backoffMs,
};

export interface SupervisorOptions {
  /**
   * Called before each start, with the old process gone. Resolves to the program to run, or to null when a
   * start makes no sense yet; the cause is then in the log. One that rejects is logged and tried again likewise.
   */
  readonly prepare: () => Promise<Command | null>;
  readonly port: number;
  /** Where the process is noted, for a controller that comes after one that was killed. */
  readonly pidFile: string;
  readonly log: Log;
  readonly timings?: Partial<SupervisorTimings>;
  /** Called at every change of state, after it. */
  readonly onChange?: (status: GatewayStatus) => void;
}

/**
 * Keeps one gateway process as it is wanted: up or down.
 *
 * One loop owns the process, so that there is never more than one operation; `start`, `stop` and `restart`
 * only say what is wanted, and the newest word wins. Whatever the exit code of an end that was not asked
 * for, the next start waits by how long the gateway had been healthy; only after a refused configuration
 * does it stay down until somebody asks again.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #timings: SupervisorTimings;
  #wanted: "up" | "down" | "gone" = "down";
  /** Aborted to end the current run or pause, because something else is wanted. */
  #interrupt = new AbortController();
  #state: GatewayStateName = "stopped";
  #since = new Date();
  #pid: number | null = null;
  #starts = 0;
  #failuresInARow = 0;
  #failure: GatewayFailure | null = null;
  #retryAt: Date | null = null;
  readonly #loop: Promise<void>;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#timings = { ...DEFAULT_TIMINGS, ...options.timings };
    this.#loop = this.#run();
  }

  status(): GatewayStatus {
    return {
      state: this.#state,
      since: this.#since.toISOString(),
      pid: this.#pid,
      failuresInARow: this.#failuresInARow,
      failure: this.#failure,
      retryAt: this.#retryAt?.toISOString() ?? null,
      restarts: Math.max(0, this.#starts - 1),
      memoryBytes: null,
    };
  }

  /** Wants the gateway up. Ends a pause before the next try; does nothing for one that runs or starts. */
  start(): void {
    if (this.#wanted === "gone") return;
    const runs = this.#wanted === "up" && (this.#state === "running" || this.#state === "starting");
    if (runs) return;
    this.#want("up");
  }

  /** Wants the gateway down. */
  stop(): void {
    if (this.#wanted === "gone" || this.#wanted === "down") return;
    this.#want("down");
  }

  /** Ends the gateway if it runs, and wants it up, with a clean record. */
  restart(): void {
    if (this.#wanted === "gone") return;
    this.#want("up");
  }

  /** Ends the gateway for good. Resolves when its process is gone. */
  async shutdown(): Promise<void> {
    this.#want("gone");
    await this.#loop;
  }

  #want(wanted: "up" | "down" | "gone"): void {
    this.#wanted = wanted;
    this.#failuresInARow = 0;
    this.#failure = null;
    // At once, not when the loop gets to it: whoever asked must not read the state of before as the answer.
    if (this.#pid !== null) this.#enter(wanted === "gone" ? "shutting-down" : "stopping");
    else this.#enter(AT_ONCE[wanted]);
    this.#interrupt.abort();
  }

  async #run(): Promise<void> {
    while (this.#wanted !== "gone") {
      this.#interrupt = new AbortController();
      const { signal } = this.#interrupt;
      if (this.#wanted === "down") {
        this.#enter("stopped");
        await aborted(signal);
        continue;
      }
      const failure = await this.#runOnce(signal);
      if (failure === null || signal.aborted) continue;
      this.#failure = failure;
      const pauseMs = failure === "config_rejected" ? null : this.#timings.backoffMs(this.#failuresInARow);
      this.#retryAt = pauseMs === null ? null : new Date(Date.now() + pauseMs);
      this.#enter("crashed");
      this.#options.log("error", "the gateway is down", {
        failure,
        pauseMs,
        failuresInARow: this.#failuresInARow,
      });
      if (pauseMs === null) await aborted(signal);
      else await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      this.#retryAt = null;
    }
    this.#enter("shutting-down");
  }

  /** One life of the process. Resolves to why it ended by itself, or to null when it was ended by us. */
  async #runOnce(signal: AbortSignal): Promise<GatewayFailure | null> {
    const { port, pidFile, log } = this.#options;
    this.#enter("starting");
    const orphan = await killOrphan(pidFile);
    if (orphan !== null) log("warn", "an earlier controller's gateway was killed", { pid: orphan });
    if (!(await waitForFreePort(port, this.#timings.portFreeMs, signal))) {
      return signal.aborted ? null : this.#fail("port_taken", 0);
    }
    const command = await this.#prepare();
    if (signal.aborted) return null;
    if (command === null) return this.#fail("not_prepared", 0);
    const lastLines = createRing<string>(LAST_LINES_MAX);
    const child = startChild(command, (stream, line) => {
      lastLines.push(line);
      log("info", line, { source: "gateway", stream });
    });
    this.#pid = child.pid;
    this.#starts += 1;
    if (child.pid !== null) await this.#remember(child.pid);
    const startedAt = performance.now();
    const ready = await this.#untilReady(child, signal);
    if (ready.kind !== "ready") {
      if (ready.kind === "ended") return this.#ended(ready.exit, 0, lastLines.items());
      await this.#end(child);
      return ready.kind === "timeout" ? this.#fail("not_ready_in_time", 0) : null;
    }
    const readyAt = performance.now();
    log("info", "the gateway is ready", { pid: child.pid, afterMs: Math.round(readyAt - startedAt) });
    this.#enter("running");
    const exit = await Promise.race([child.exited, aborted(signal)]);
    if (exit !== null) return this.#ended(exit, performance.now() - readyAt, lastLines.items());
    await this.#end(child);
    return null;
  }

  async #prepare(): Promise<Command | null> {
    try {
      return await this.#options.prepare();
    } catch (error) {
      this.#options.log("error", "the gateway's start could not be prepared", { error: errorText(error) });
      return null;
    }
  }

  async #untilReady(
    child: Child,
    signal: AbortSignal,
  ): Promise<
    { kind: "ready" } | { kind: "ended"; exit: ChildExit } | { kind: "timeout" } | { kind: "interrupted" }
  > {
    const over = new AbortController();
    const timeout = AbortSignal.timeout(this.#timings.readyMs);
    const either = AbortSignal.any([signal, timeout, over.signal]);
    const exit = child.exited.then((value) => ({ kind: "ended", exit: value }) as const);
    const poll = waitUntilReady(this.#options.port, either).then((isReady) =>
      isReady
        ? ({ kind: "ready" } as const)
        : ({ kind: signal.aborted ? "interrupted" : "timeout" } as const),
    );
    const outcome = await Promise.race([exit, poll]);
    over.abort();
    return outcome;
  }

  async #remember(pid: number): Promise<void> {
    try {
      await rememberProcess(this.#options.pidFile, pid);
    } catch (error) {
      this.#options.log("warn", "the gateway's process could not be noted", { error: errorText(error) });
    }
  }

  async #end(child: Child): Promise<void> {
    this.#enter(this.#wanted === "gone" ? "shutting-down" : "stopping");
    const exit = await child.stop(this.#timings.stopMs);
    this.#pid = null;
    this.#options.log("info", "the gateway was stopped", { ...exit });
  }

  #ended(exit: ChildExit, healthyMs: number, lastLines: readonly string[]): GatewayFailure {
    this.#options.log("warn", "the gateway ended by itself", {
      ...exit,
      healthyMs: Math.round(healthyMs),
      lastLines,
    });
    return this.#fail(causeOfEnd(exit, lastLines), healthyMs);
  }

  #fail(failure: GatewayFailure, healthyMs: number): GatewayFailure {
    this.#pid = null;
    this.#failuresInARow = countFailure(this.#failuresInARow, healthyMs);
    return failure;
  }

  #enter(state: GatewayStateName): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#since = new Date();
    this.#options.onChange?.(this.status());
  }
}

/** Resolves, to null, when the signal fires. */
function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    else signal.addEventListener("abort", () => resolve(null), { once: true });
  });
}
