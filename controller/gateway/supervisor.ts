import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayFailure, GatewayStateName, GatewayStatus } from "../../src/gateway/wire.ts";
import { errorText } from "../log.ts";
import { countFailure, wasHealthy } from "./backoff.ts";
import { startChild, type Child, type ChildExit, type LineListener } from "./child.ts";
import { createRing } from "./lines.ts";
import { memoryOf } from "./memory.ts";
import { killOrphan, rememberProcess } from "./orphan.ts";
import { killPortHolders, waitForFreePort } from "./port.ts";
import { reasonOf } from "./reason.ts";
import {
  DEFAULT_TIMINGS,
  type GatewayCommand,
  type SupervisorOptions,
  type SupervisorTimings,
} from "./supervision.ts";

/** Enough for the cause of a crash to stand beside it in the log. */
const LAST_LINES_MAX = 20;
/** The state at once when no process has to end first. */
const AT_ONCE = { up: "starting", down: "stopped", gone: "shutting-down" } as const;

/**
 * Keeps one gateway process as it is wanted: up or down.
 *
 * One loop owns the process, so that there is never more than one operation; `start`, `stop` and `restart`
 * only say what is wanted, and the newest word wins. Whatever the exit code of an end that was not asked
 * for, the next start waits by how long the gateway had been healthy; only after a configuration that is refused
 * also when it was repaired does it stay down until somebody asks again.
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
  #reason: string | null = null;
  /** A repair was tried since somebody asked last, or the gateway was healthy for long. */
  #isRepaired = false;
  /** Resolved to have a gateway that runs restart in itself. */
  #restartAsked = Promise.withResolvers<void>();
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
      memoryBytes: this.#pid === null ? null : memoryOf(this.#pid),
      reason: this.#reason,
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

  /**
   * Wants the gateway up, anew: one that runs is told to restart in itself, which is several times as fast, and ended if it
   * does not; any other begins with a clean record.
   */
  restart(): void {
    if (this.#wanted === "gone") return;
    if (this.#state === "running") {
      this.#isRepaired = false;
      this.#enter("starting");
      this.#restartAsked.resolve();
    } else {
      this.#want("up");
    }
  }

  /**
   * Has another process take the place of the one that is wanted up, as for another environment. False, and nothing is done, where
   * none is wanted.
   */
  renew(): boolean {
    if (this.#wanted !== "up") return false;
    this.#want("up");
    return true;
  }

  /** The state alone, which is asked for with every request that passes, and by everybody. */
  get state(): GatewayStateName {
    return this.#state;
  }

  get failure(): GatewayFailure | null {
    return this.#failure;
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
    this.#reason = null;
    this.#isRepaired = false;
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
      if (failure === "config_rejected" && (await this.#repair(signal))) continue;
      if (signal.aborted) continue;
      const pauseMs = failure === "config_rejected" ? null : this.#timings.backoffMs(this.#failuresInARow);
      this.#retryAt = pauseMs === null ? null : new Date(Date.now() + pauseMs);
      this.#enter("crashed");
      this.#options.log("error", "the gateway is down", {
        failure,
        reason: this.#reason,
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
    const { port, pidFile, stateDir, log, probe } = this.#options;
    this.#enter("starting");
    const orphan = await killOrphan(pidFile);
    if (orphan !== null) log("warn", "an earlier controller's gateway was killed", { pid: orphan });
    const holders = await killPortHolders(port, stateDir);
    if (holders.length > 0) log("warn", "what the gateway left on its port was killed", { pids: holders });
    if (!(await waitForFreePort(port, this.#timings.portFreeMs, signal))) {
      return signal.aborted ? null : this.#fail("port_taken", 0);
    }
    const command = await this.#prepare(signal);
    if (signal.aborted) return null;
    if (command === null) return this.#fail("not_prepared", 0);
    const lastLines = createRing<string>(LAST_LINES_MAX);
    const onLine: LineListener = (stream, line) => {
      lastLines.push(line);
      log("info", line, { source: "gateway", stream });
      this.#tell(stream, line);
    };
    const child = startChild(command, onLine, this.#options.redact);
    const ended = (exit: ChildExit, healthyMs: number): GatewayFailure => {
      log("warn", "the gateway ended by itself", {
        ...exit,
        healthyMs: Math.round(healthyMs),
        lastLines: lastLines.items(),
      });
      this.#reason = reasonOf(lastLines.items());
      if (exit.kind === "spawn_failed") return this.#fail("spawn_failed", healthyMs);
      const isRefused = command.isConfigRefused(exit, lastLines.items());
      return this.#fail(isRefused ? "config_rejected" : "exited", healthyMs);
    };
    this.#pid = child.pid;
    this.#starts += 1;
    if (child.pid !== null) await this.#remember(child.pid);
    for (let isRestart = false, startedAt = performance.now(); ; startedAt = performance.now()) {
      const ready = await this.#untilReady(child, isRestart ? "restartMs" : "readyMs", signal);
      if (ready.kind === "ended") return ended(ready.exit, 0);
      if (ready.kind !== "ready") {
        await this.#end(child);
        // A restart that gets nowhere is begun again with another process, and no failure.
        return ready.kind === "timeout" && !isRestart ? this.#fail("not_ready_in_time", 0) : null;
      }
      const readyAt = performance.now();
      log("info", "the gateway is ready", { pid: child.pid, afterMs: Math.round(readyAt - startedAt) });
      this.#failure = null;
      this.#reason = null;
      this.#restartAsked = Promise.withResolvers<void>();
      this.#enter("running");
      const over = new AbortController();
      const what = await Promise.race([
        child.exited.then((exit) => ({ kind: "ended", exit }) as const),
        aborted(signal).then(() => ({ kind: "interrupted" }) as const),
        this.#restartAsked.promise.then(() => ({ kind: "restart" }) as const),
        probe.hung(over.signal).then(async (hangs) => {
          if (!hangs) await aborted(signal);
          return { kind: hangs ? "hung" : "interrupted" } as const;
        }),
      ]);
      over.abort();
      switch (what.kind) {
        case "ended":
          return ended(what.exit, performance.now() - readyAt);
        case "interrupted":
          await this.#end(child);
          return null;
        case "hung":
          log("error", "the gateway answers nothing any more", { pid: child.pid });
          await this.#end(child);
          return signal.aborted ? null : this.#fail("hung", performance.now() - readyAt);
        case "restart":
          isRestart = await this.#restartInItself(child, command.restartSignal, signal);
          if (isRestart) break;
          await this.#end(child);
          return null;
        default:
          return what satisfies never;
      }
    }
  }

  /** Resolves to whether the gateway has begun to restart in itself. */
  async #restartInItself(child: Child, restartSignal: NodeJS.Signals, signal: AbortSignal): Promise<boolean> {
    const { probe, log } = this.#options;
    const left = probe.left();
    if (!child.signal(restartSignal)) return false;
    const over = new AbortController();
    const bound = sleep(this.#timings.stopMs, false, { signal: AbortSignal.any([signal, over.signal]) });
    const hasLeft = await Promise.race([left.then(() => true), bound.catch(() => false)]);
    over.abort();
    if (!hasLeft && !signal.aborted)
      log("warn", "the gateway does not restart in itself", { pid: child.pid });
    return hasLeft;
  }

  /** Resolves to whether a repair was tried; each is tried once until somebody asks for the gateway. */
  async #repair(signal: AbortSignal): Promise<boolean> {
    const { repair, log } = this.#options;
    if (repair === undefined || this.#isRepaired) return false;
    this.#isRepaired = true;
    this.#enter("starting");
    try {
      await repair(signal);
    } catch (error) {
      log("error", "the repair of the configuration failed", { error: errorText(error) });
    }
    return true;
  }

  #tell(stream: "stdout" | "stderr", line: string): void {
    try {
      this.#options.onLine?.(stream, line);
    } catch (error) {
      this.#options.log("error", "a listener to the gateway's output failed", { error: errorText(error) });
    }
  }

  async #prepare(signal: AbortSignal): Promise<GatewayCommand | null> {
    try {
      return await this.#options.prepare(signal);
    } catch (error) {
      this.#options.log("error", "the gateway's start could not be prepared", { error: errorText(error) });
      return null;
    }
  }

  async #untilReady(
    child: Child,
    bound: "readyMs" | "restartMs",
    signal: AbortSignal,
  ): Promise<
    { kind: "ready" } | { kind: "ended"; exit: ChildExit } | { kind: "timeout" } | { kind: "interrupted" }
  > {
    const over = new AbortController();
    const timeout = AbortSignal.timeout(this.#timings[bound]);
    const either = AbortSignal.any([signal, timeout, over.signal]);
    const exit = child.exited.then((value) => ({ kind: "ended", exit: value }) as const);
    const poll = this.#options.probe
      .ready(either)
      .then((isReady) =>
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

  #fail(failure: GatewayFailure, healthyMs: number): GatewayFailure {
    this.#pid = null;
    this.#failuresInARow = countFailure(this.#failuresInARow, healthyMs);
    // It had a configuration that was taken, so that one which is refused now is another.
    if (wasHealthy(healthyMs)) this.#isRepaired = false;
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
