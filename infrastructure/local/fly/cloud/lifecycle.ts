import { pause, type Clock } from "../clock.ts";
import { messageOf, type Log } from "../log.ts";
import type { Exit, MachineHandle, Runtime } from "../runtime/runtime.ts";
import type { Machine } from "../state/model.ts";
import type { Store } from "../state/store.ts";
import type { Timings } from "../timings.ts";
import { machineSpec } from "./boot.ts";
import { Courses } from "./courses.ts";
import { exitEvent, withEvent, type EventWords } from "./events.ts";
import { afterExit } from "./restart-policy.ts";
import { resumptionOf } from "./resumption.ts";
import { stopSettings, type StopSettings } from "./stop-settings.ts";

interface Parts {
  store: Store;
  clock: Clock;
  timings: Timings;
  runtime: Runtime;
  log: Log;
  /** Resolves when the volume's data are all there. */
  volumeReady(volumeId: string): Promise<void>;
  /** What may stand in a machine's way; without it nothing does. */
  hindrance?: Hindrance | undefined;
}

/** Circumstances under which a machine does not do what it should. */
export interface Hindrance {
  /** Resolves when the machine may leave the state that it is in; false if `signal` fired before that. */
  hold(machineId: string, signal: AbortSignal): Promise<boolean>;
  /** Whether nothing of the machine's program can be reached. */
  isCutOff(machineId: string): boolean;
}

/** A machine's running program. */
interface Live {
  handle: MachineHandle;
  /** Its end is wanted, so that it is no crash. */
  endRequested: boolean;
  /** Resolves when its end is written into the machine's events. */
  ended: Promise<void>;
}

/**
 * Takes machines from state to state over time, and follows what their programs do. An operation has checked that
 * its change is allowed and has written the first state of it; the rest happens here. A machine has one course at
 * a time: a newer one ends the older at its next step and goes on from whatever it left.
 */
export class Lifecycle {
  readonly #parts: Parts;
  readonly #live = new Map<string, Live>();
  readonly #courses: Courses;
  #closing = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#courses = new Courses((machineId, error) =>
      parts.log({ kind: "problem", message: `Machine ${machineId}: ${messageOf(error)}` }),
    );
  }

  /** created → starting → started, or to a prepared `created` if that is its target. */
  launch(machineId: string): void {
    this.#courses.begin(machineId, async (signal) => {
      if (!(await this.#pause(machineId, this.#parts.timings.imagePullMs, signal))) return;
      const machine = this.#parts.store.machines.update(machineId, (row) => ({ ...row, prepared: true }));
      if (machine?.target !== "started") return;
      this.#write(machineId, { state: "starting" }, { type: "start", status: "starting", source: "flyd" });
      await this.#boot(machineId, signal);
    });
  }

  /** starting → started. A suspended machine is resumed where it was, if its memory is still there. */
  start(machineId: string): void {
    this.#courses.begin(machineId, async (signal) => {
      const live = this.#live.get(machineId);
      if (live === undefined) {
        await this.#boot(machineId, signal);
        return;
      }
      if (!(await this.#pause(machineId, this.#parts.timings.startMs, signal))) return;
      live.handle.resume();
      this.#write(machineId, { state: "started" }, { type: "start", status: "started", source: "flyd" });
    });
  }

  /** Ends the program; then the machine is `stopped`, or `failed`. */
  stop(machineId: string, settings: StopSettings, state: "stopped" | "failed" = "stopped"): void {
    this.#courses.begin(machineId, async (signal) => {
      const hadProgram = this.#live.has(machineId);
      if (!(await this.#halt(machineId, settings, signal))) return;
      // A program's end has written its own event.
      const exit = { type: "exit", status: state, source: "flyd" } as const;
      this.#write(machineId, { state }, hadProgram ? undefined : exit);
    });
  }

  /** suspending → suspended. */
  suspend(machineId: string): void {
    this.#courses.begin(machineId, async (signal) => {
      if (!(await this.#pause(machineId, this.#parts.timings.suspendMs, signal))) return;
      this.#live.get(machineId)?.handle.suspend();
      const event = { type: "suspend", status: "suspended", source: "flyd" } as const;
      this.#write(machineId, { state: "suspended" }, event);
    });
  }

  /** Ends the program, lets `move` take the machine elsewhere, and starts it there if that is its target. */
  migrate(machineId: string, settings: StopSettings, move: () => Promise<void>): void {
    this.#courses.begin(machineId, async (signal) => {
      if (!(await this.#halt(machineId, settings, signal))) return;
      await move();
      if (this.#parts.store.machines.get(machineId)?.target !== "started") return;
      this.#write(machineId, { state: "starting" }, { type: "start", status: "starting", source: "flyd" });
      await this.#boot(machineId, signal);
    });
  }

  /** restarting → starting → started, in the same version. */
  restart(machineId: string, settings: StopSettings): void {
    this.#courses.begin(machineId, async (signal) => {
      if (!(await this.#halt(machineId, settings, signal))) return;
      this.#write(machineId, { state: "starting" }, { type: "start", status: "starting", source: "flyd" });
      await this.#boot(machineId, signal);
    });
  }

  /** replacing → started, stopped or created, by the machine's target. `settings` are the old version's. */
  replace(machineId: string, settings: StopSettings): void {
    this.#courses.begin(machineId, async (signal) => {
      if (!(await this.#halt(machineId, settings, signal))) return;
      if (!(await this.#pause(machineId, this.#parts.timings.replaceMs, signal))) return;
      const machine = this.#parts.store.machines.update(machineId, (row) => ({ ...row, prepared: true }));
      if (machine === undefined) return;
      if (machine.target === "started") {
        this.#write(machineId, { state: "starting" }, { type: "start", status: "starting", source: "flyd" });
        await this.#boot(machineId, signal);
        return;
      }
      const state = machine.target === "created" ? "created" : "stopped";
      this.#write(machineId, { state }, { type: "update", status: state, source: "flyd" });
    });
  }

  /** destroying → destroyed. */
  destroy(machineId: string): void {
    this.#courses.begin(machineId, async (signal) => {
      if (!(await this.#halt(machineId, { signal: "SIGKILL", timeoutMs: 0 }, signal))) return;
      if (!(await this.#pause(machineId, this.#parts.timings.destroyMs, signal))) return;
      const machine = this.#write(
        machineId,
        { state: "destroyed", destroyedAt: this.#parts.clock.now(), lease: undefined },
        { type: "destroy", status: "destroyed", source: "flyd" },
      );
      this.#releaseVolumes(machine);
      await this.#parts.runtime.removeMachine(machineId);
    });
  }

  /**
   * Goes on with every machine from where the stored state left it. Before it first waits, none claims to be started
   * that is not; then they are started one after the other.
   */
  async resumeAll(machines: readonly Machine[]): Promise<void> {
    const { store, runtime } = this.#parts;
    for (const machine of machines) {
      if (resumptionOf(machine, runtime.runsProcesses) !== "start") continue;
      this.#write(machine.id, { state: "starting" }, { type: "start", status: "starting", source: "flyd" });
    }
    for (const { id } of machines) {
      const machine = store.machines.get(id);
      // By the time it is its turn, somebody may have sent it elsewhere.
      if (machine === undefined || this.#courses.has(id) || this.#live.has(id)) continue;
      const plan = resumptionOf(machine, runtime.runsProcesses);
      if (this.#closing || plan === "nothing") continue;
      if (plan === "stop" || plan === "replace") this[plan](id, stopSettings(machine));
      else this[plan](id);
      await this.#courses.settled(id);
    }
  }

  /** Resolves when the machine has no way to go. */
  settled(machineId: string): Promise<void> {
    return this.#courses.settled(machineId);
  }

  /** The running program of a started machine. */
  handle(machineId: string): MachineHandle | undefined {
    const machine = this.#parts.store.machines.get(machineId);
    if (machine?.state !== "started" || this.#parts.hindrance?.isCutOff(machineId) === true) return undefined;
    return this.#live.get(machineId)?.handle;
  }

  /** Ends all programs within `timeoutMs`, and leaves the states as they are, so that `resumeAll` finds them. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    const ended = this.#courses.close();
    const known = new Set(this.#live.values());
    for (const live of known) live.handle.stop("SIGTERM", timeoutMs);
    await ended;
    // A course may have been starting a program when it was aborted.
    for (const live of this.#live.values()) if (!known.has(live)) live.handle.stop("SIGTERM", timeoutMs);
    await Promise.all([...this.#live.values()].map((live) => live.ended));
  }

  async #boot(machineId: string, signal: AbortSignal): Promise<void> {
    const { store, runtime, timings, log } = this.#parts;
    if (!(await this.#pause(machineId, timings.startMs, signal))) return;
    try {
      const mounted = store.machines.get(machineId)?.config.mounts?.[0]?.volume;
      if (mounted !== undefined) {
        await Promise.race([this.#parts.volumeReady(mounted), aborted(signal)]);
      }
      const machine = store.machines.get(machineId);
      if (signal.aborted || machine === undefined) return;
      const handle = await runtime.start(machineSpec(machine, store.apps.get(machine.app), log));
      // Also when aborted: whoever comes next finds the program and ends it.
      this.#attach(machineId, handle);
      this.#noteMounted(mounted);
    } catch (error) {
      log({ kind: "problem", message: `Machine ${machineId} cannot be started: ${messageOf(error)}` });
      if (signal.aborted) return;
      this.#write(machineId, { state: "failed" }, { type: "start", status: "failed", source: "flyd" });
      return;
    }
    if (signal.aborted) return;
    this.#write(machineId, { state: "started" }, { type: "start", status: "started", source: "flyd" });
  }

  #attach(machineId: string, handle: MachineHandle): void {
    const live: Live = { handle, endRequested: false, ended: Promise.resolve() };
    live.ended = handle.exited.then((exit) => this.#ended(machineId, live, exit));
    this.#live.set(machineId, live);
  }

  #ended(machineId: string, live: Live, exit: Exit): void {
    this.#live.delete(machineId);
    const { store, clock, timings } = this.#parts;
    const machine = store.machines.get(machineId);
    if (this.#closing || machine === undefined) return;
    const nowMs = clock.now();
    // A machine that is under way elsewhere has somebody who looks after it.
    const isCrash = !live.endRequested && !this.#courses.has(machineId);
    const next = isCrash
      ? afterExit(machine, exit, {
          nowMs,
          backoffMs: timings.restartBackoffMs,
          backoffMsMax: timings.restartBackoffMsMax,
        })
      : undefined;
    const restarting = next?.kind === "restart" || machine.state === "restarting";
    const exitFacts = { requestedStop: live.endRequested, restarting, nowMs };
    const request = {
      exit_event: exitEvent(exit, exitFacts),
      restart_count: next?.kind === "restart" ? next.restarts.length : 0,
    };
    const event = { type: "exit", status: "stopped", source: "flyd", request } as const;
    switch (next?.kind) {
      case undefined:
        this.#write(machineId, {}, event);
        return;
      case "stop":
        this.#write(machineId, { state: "stopped", target: "stopped" }, event);
        return;
      case "destroy":
        this.#write(machineId, { state: "destroying", target: "destroyed" }, event);
        this.destroy(machineId);
        return;
      case "restart":
        this.#write(machineId, { state: "restarting", restarts: next.restarts }, event);
        this.#courses.begin(machineId, async (signal) => {
          if (!(await this.#pause(machineId, next.delayMs, signal))) return;
          const start = { type: "start", status: "starting", source: "flyd" } as const;
          this.#write(machineId, { state: "starting" }, start);
          await this.#boot(machineId, signal);
        });
        return;
      default:
        next satisfies never;
    }
  }

  /** Ends the machine's program, if there is one. False if superseded meanwhile. */
  async #halt(machineId: string, settings: StopSettings, signal: AbortSignal): Promise<boolean> {
    if (!(await this.#pause(machineId, this.#parts.timings.stopMs, signal))) return false;
    const live = this.#live.get(machineId);
    if (live === undefined) return true;
    live.endRequested = true;
    live.handle.stop(settings.signal, settings.timeoutMs);
    await Promise.race([live.ended, aborted(signal)]);
    return !signal.aborted;
  }

  /** Waits, and longer where something holds the machine back. False if superseded meanwhile. */
  async #pause(machineId: string, delayMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock, hindrance } = this.#parts;
    if (!(await pause(clock, delayMs, signal))) return false;
    return hindrance === undefined || hindrance.hold(machineId, signal);
  }

  #write(machineId: string, change: Partial<Machine>, words?: EventWords): Machine | undefined {
    const nowMs = this.#parts.clock.now();
    const machine = this.#parts.store.machines.update(machineId, (row) => {
      const changed = { ...row, ...change, updatedAt: nowMs };
      return words === undefined ? changed : withEvent(changed, nowMs, words);
    });
    if (change.state !== undefined)
      this.#parts.log({ kind: "machine_state", machineId, state: change.state });
    return machine;
  }

  #noteMounted(volumeId: string | undefined): void {
    const { store, clock } = this.#parts;
    const volume = volumeId === undefined ? undefined : store.volumes.get(volumeId);
    if (volume !== undefined && volume.mountedAt === undefined) {
      store.volumes.put({ ...volume, mountedAt: clock.now() });
    }
  }

  #releaseVolumes(machine: Machine | undefined): void {
    for (const mount of machine?.config.mounts ?? []) {
      const volume = mount.volume === undefined ? undefined : this.#parts.store.volumes.get(mount.volume);
      if (volume !== undefined && volume.attachedMachineId === machine?.id) {
        this.#parts.store.volumes.put({ ...volume, attachedMachineId: null });
      }
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
