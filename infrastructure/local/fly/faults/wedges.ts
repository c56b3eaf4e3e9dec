import type { Clock } from "../clock.ts";
import type { MachineState } from "../state/model.ts";
import { Expectations } from "./expectations.ts";

/** States in which machines were seen to stay for minutes or hours (contracts/fly-machines-api §9 F-10 to F-12). */
export const wedgeStates = ["created", "replacing", "starting", "stopping", "destroying"] as const;

export interface Wedge {
  state: (typeof wedgeStates)[number];
  /** Without it until the machine is released, or for another state than `destroying` destroyed by force. */
  forMs?: number | undefined;
}

/** Machines that do not get out of a state. */
export class Wedges {
  readonly #clock: Clock;
  readonly #wedged = new Map<string, { state: MachineState; untilMs: number }>();
  readonly #expected = new Expectations<Wedge>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wedge(machineId: string, wedge: Wedge): void {
    const untilMs = wedge.forMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.now() + wedge.forMs;
    this.#wedged.set(machineId, { state: wedge.state, untilMs });
  }

  /** Wedges the app's next machine. The returned function takes it back. */
  wedgeNext(app: string, wedge: Wedge): () => void {
    return this.#expected.add(app, wedge);
  }

  arrived(app: string, machineId: string): void {
    const expected = this.#expected.take(app);
    if (expected !== undefined) this.wedge(machineId, expected);
  }

  release(machineId: string): void {
    this.#wedged.delete(machineId);
  }

  /** Until when the machine stays in this state; undefined if nothing keeps it there. */
  heldUntilMs(machineId: string, state: MachineState): number | undefined {
    const wedge = this.#wedged.get(machineId);
    if (wedge === undefined || wedge.state !== state) return undefined;
    if (wedge.untilMs > this.#clock.now()) return wedge.untilMs;
    this.#wedged.delete(machineId);
    return undefined;
  }

  clear(): void {
    this.#wedged.clear();
    this.#expected.clear();
  }
}
