import type { CallFault, UserAction } from "./plan.ts";
import { createCloudClient } from "../cloud/client.ts";
import { type Cloud, STREAM } from "../cloud/cloud.ts";
import type { Cancel, VirtualClock } from "../clock.ts";
import type { Network } from "./network.ts";
import { createShell, type Shell, type ShellPorts } from "./shell.ts";
import type { SimulatedStorage } from "./storage.ts";
import type { Trace } from "./trace.ts";

export type ObjectParts = {
  clock: VirtualClock;
  cloud: Cloud;
  network: Network;
  storage: SimulatedStorage;
  trace: Trace;
  /** The object waits for something, so that others may come in between. */
  waits: (what: string) => void;
  healthFault: () => CallFault | null;
  seams: Pick<ShellPorts, "seams">["seams"];
};

const TOKENS_MS = 1;

/**
 * What the platform does with an object: it begins it anew when it is gone, hands it calls and alarms, and rings an alarm again
 * whose handler was cut off (docs: durable-objects/api/alarms, at least once).
 */
export class SimulatedObject {
  readonly #parts: ObjectParts;
  #incarnation = 0;
  #shell: Shell;
  /** What the present incarnation waits for. */
  #waiting = 0;
  #alarm: { at: number; cancel: Cancel } | null = null;
  isAlarmRunning = false;

  constructor(parts: ObjectParts) {
    this.#parts = parts;
    this.#shell = this.#begin();
  }

  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  act(action: UserAction): void {
    this.#parts.trace.add(() => `USER ${action}`);
    this.#run(this.#shell[action]());
  }

  ringNow(): void {
    this.#alarm?.cancel();
    this.#alarm = null;
    this.#ring();
  }

  /** All that is in memory is gone. What the object has sent stays sent. */
  crash(): void {
    const { trace, network, storage, clock, cloud } = this.#parts;
    trace.add(() => "CRASH");
    network.drop();
    storage.rollback();
    this.#shell = this.#begin();
    if (!this.isAlarmRunning) return;
    this.isAlarmRunning = false;
    if (storage.durable.alarm !== null) return;
    const again = cloud.between(STREAM.alarm, cloud.world.alarmAgain);
    this.#alarm?.cancel();
    this.#alarm = { at: clock.now() + again, cancel: clock.at(again, () => this.#ring()) };
  }

  /** The alarm rings when the durable storage says so, or a little later. */
  arm(): void {
    const { storage, clock, cloud } = this.#parts;
    const at = storage.durable.alarm;
    if (at === null) {
      if (storage.durable.record === null) {
        this.#alarm?.cancel();
        this.#alarm = null;
      }
      return;
    }
    if (this.#alarm?.at === at) return;
    this.#alarm?.cancel();
    const late = cloud.between(STREAM.alarm, cloud.world.alarmLate);
    this.#alarm = { at, cancel: clock.at(at - clock.now() + late, () => this.#ring()) };
  }

  get isArmed(): boolean {
    return this.#alarm !== null;
  }

  #ring(): void {
    const { storage, trace } = this.#parts;
    trace.add(() => "ALARM");
    this.#alarm = null;
    storage.takeAlarm();
    this.isAlarmRunning = true;
    const incarnation = this.#incarnation;
    this.#run(
      this.#shell.alarm().then(() => {
        if (incarnation === this.#incarnation) this.isAlarmRunning = false;
      }),
    );
  }

  #run(work: Promise<unknown>): void {
    work.catch((cause: unknown) => {
      throw cause;
    });
  }

  #begin(): Shell {
    const { clock, cloud, network, storage, waits, healthFault, seams } = this.#parts;
    this.#incarnation += 1;
    this.#waiting = 0;
    const incarnation = this.#incarnation;
    const isAlive = (): boolean => incarnation === this.#incarnation;
    // The promises of an object that is gone stay open for good, and nobody holds them.
    const held = <T>(what: string, promise: Promise<T>): Promise<T> => {
      waits(what);
      this.#waiting += 1;
      return new Promise((resolve, reject) => {
        promise.then((value) => {
          if (!isAlive()) return;
          this.#waiting -= 1;
          resolve(value);
        }, reject);
      });
    };
    const after = (ms: number): Promise<void> => clock.sleep(ms, new AbortController().signal);
    return createShell({
      storage,
      clock: { now: () => clock.now(), sleep: (ms, signal) => held("sleep", clock.sleep(ms, signal)) },
      fly: createCloudClient(cloud, (call) => held("call", network.send(call, isAlive))),
      health: (app, machineId) => {
        const { health, afterMs } = network.health(app, machineId, healthFault());
        return held(
          "health",
          after(afterMs).then(() => health),
        );
      },
      tokens: () =>
        held(
          "tokens",
          after(TOKENS_MS).then(() => ({ gatewayToken: "g", proxyToken: "p", envKey: "e" })),
        ),
      random: () => cloud.draw(STREAM.alarm),
      seams,
    });
  }
}
