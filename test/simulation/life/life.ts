import type { KeeperPorts } from "../../../src/instance/keeper.ts";
import { Cloud } from "../cloud/cloud.ts";
import { heal } from "../cloud/happenings.ts";
import { CALM, ROUGH, type World } from "../cloud/world.ts";
import { EPOCH_MS, settle, VirtualClock } from "../clock.ts";
import { happen } from "./happen.ts";
import { settleNeighbours } from "./neighbours.ts";
import { Network } from "./network.ts";
import { SimulatedObject } from "./object.ts";
import { Counter, type Disturbance, type Place, type Plan } from "./plan.ts";
import { SimulatedStorage } from "./storage.ts";
import { Trace } from "./trace.ts";
import { describeLoss, describeUnrest, isOutOfReach } from "./verdict.ts";
import { Watch } from "./watch.ts";

export type LifeOptions = {
  /** Whether what happens is written down. */
  trace: boolean;
  /** Whether every record is read again as the next incarnation would. */
  strict: boolean;
  /** Whether the places of the life are told. */
  places: boolean;
  /** Parts of the core that are exchanged, to see whether it is noticed. */
  plant: (ports: KeeperPorts) => KeeperPorts;
};

export type LifeResult = {
  violations: string[];
  trace: string[];
  /** The points of the life in order, and its calls; empty unless they were asked for. */
  points: Place[];
  calls: Place[];
  counts: { points: number; calls: number };
  virtualMs: number;
};

const MINUTE_MS = 60_000;
/** Beyond the effect of the last call that went wrong (40 s), so that nothing of the misfortunes is still to come. */
const CALM_DOWN_MS = MINUTE_MS;
/** The longest pause of the reconciler is the hour after it gave up, then come alarms of half an hour. */
const HEAL_MS = 4 * 60 * MINUTE_MS;
const BOUND_MS = 90_000;
const FRESH_MS = 3 * MINUTE_MS;
const EVENTS_MAX = 60_000;
const NOTHING: readonly Disturbance[] = [];

function worldOf({ rough, binds }: Plan["setup"]): World {
  const world = rough ? ROUGH : CALM;
  return binds ? { ...world, unbindShare: 1, unbind: [BOUND_MS, BOUND_MS] } : world;
}

/** The core as it is, and nothing kept of its life. */
export const PLAIN: LifeOptions = { trace: false, strict: false, places: false, plant: (ports) => ports };

/** One instance on one cloud, from nothing to rest, as the plan has it. */
export async function live(plan: Plan, options: LifeOptions): Promise<LifeResult> {
  const life = new Life(plan, options);
  await life.run();
  return life.result();
}

class Life {
  readonly #plan: Plan;
  readonly #strict: boolean;
  readonly #clock = new VirtualClock();
  readonly #trace: Trace;
  readonly #cloud: Cloud;
  readonly #watch: Watch;
  readonly #storage = new SimulatedStorage();
  readonly #network: Network;
  readonly #object: SimulatedObject;
  readonly #counter: Counter;
  readonly #points: Place[] = [];
  readonly #calls: Place[] = [];
  readonly #keepsPlaces: boolean;
  /** What is to be done as soon as the object waits. */
  #due: Disturbance[] = [];
  #events = 0;
  #isCalm = false;

  constructor(plan: Plan, options: LifeOptions) {
    const { seed } = plan.setup;
    this.#plan = plan;
    this.#strict = options.strict;
    this.#keepsPlaces = options.places;
    this.#counter = new Counter(plan.byName);
    this.#trace = new Trace(options.trace, () => this.#clock.now());
    this.#cloud = new Cloud(this.#clock, worldOf(plan.setup), seed);
    settleNeighbours(this.#cloud, plan.setup);
    this.#watch = new Watch(this.#cloud);
    this.#cloud.onChange = () => this.#watch.changed();
    this.#network = new Network(
      this.#cloud,
      {
        sent: (call) => {
          this.#watch.sent(call, this.#storage.durable.record);
          this.#point(`sent ${call.action}`);
        },
        settingsSent: (machineId) => {
          this.#watch.settingsSent(machineId, this.#storage.durable.record);
          this.#point("sent settings");
        },
        before: (call) => this.#watch.before(call),
        took: (call, answer) => {
          this.#watch.took(call, answer, this.#storage.durable.record);
          this.#point(`effect ${call.action}`);
        },
        faultOf: (call) => {
          if (this.#isCalm) return null;
          if (this.#keepsPlaces) this.#calls.push(call);
          return plan.faultOf(call);
        },
      },
      plan.byName,
      this.#trace,
    );
    this.#object = new SimulatedObject({
      clock: this.#clock,
      cloud: this.#cloud,
      network: this.#network,
      storage: this.#storage,
      trace: this.#trace,
      ownApp: plan.setup.ownApp,
      waits: (why) => this.#point(why),
      threw: (cause) => this.#watch.violate(`it threw: ${String(cause)}`),
      plant: options.plant,
    });
  }

  async run(): Promise<void> {
    for (const { atMs, what } of this.#plan.timed) this.#clock.at(atMs, () => this.#due.push(what));
    await this.#until(EPOCH_MS + this.#plan.setup.calmMs, () => false);
    this.#isCalm = true;
    this.#trace.add(() => "CALM");
    heal(this.#cloud, this.#plan.setup.hostsEnd);
    this.#cloud.world = { ...this.#cloud.world, unheardShare: 0, registryAwayShare: 0 };
    // A user who comes back finds out that the record is lost, and has it made anew.
    if (this.#storage.durable.record === null) this.#object.act("restore");
    await this.#until(this.#clock.now() + CALM_DOWN_MS, () => false);
    const mayWait = isOutOfReach(this.#cloud);
    const isWell = (): boolean =>
      (this.#storage.durable.record === null || mayWait ? this.#object.isIdle : this.#object.isSettled) &&
      describeUnrest(this.#cloud, this.#storage.durable) === null;
    await this.#until(this.#clock.now() + HEAL_MS, isWell);
    const { durable } = this.#storage;
    const unrest = describeUnrest(this.#cloud, durable) ?? describeLoss(this.#cloud, durable);
    if (unrest !== null) this.#watch.violate(`at the end, ${unrest}`);
    else if (durable.record !== null && !mayWait) await this.#passOnce();
  }

  result(): LifeResult {
    return {
      violations: this.#watch.violations,
      trace: this.#trace.lines,
      points: this.#points,
      calls: this.#calls,
      counts: { points: this.#counter.count, calls: this.#network.calls },
      virtualMs: this.#clock.now() - EPOCH_MS,
    };
  }

  /** A settled instance plans nothing on the next pass, asks once, and writes once at most. */
  async #passOnce(): Promise<void> {
    const { calls } = this.#network;
    const { writes } = this.#storage;
    const events = this.#storage.durable.events.length;
    this.#trace.add(() => "ONE MORE PASS");
    this.#object.ringNow();
    await this.#until(this.#clock.now() + MINUTE_MS, () => this.#object.isIdle);
    const steps = this.#storage.durable.events.slice(events).filter(({ kind }) => kind === "step");
    if (steps.length > 0)
      this.#watch.violate(`a pass at rest performed ${steps.map(({ what }) => what).join(", ")}`);
    if (this.#network.calls - calls > 1)
      this.#watch.violate(`a pass at rest made ${this.#network.calls - calls} calls`);
    if (this.#storage.writes - writes > 1)
      this.#watch.violate(`a pass at rest wrote ${this.#storage.writes - writes} times`);
    const unrest = describeUnrest(this.#cloud, this.#storage.durable);
    if (unrest !== null) this.#watch.violate(`after one more pass, ${unrest}`);
  }

  /** Lets time pass until the instant, or until what is waited for is true. */
  async #until(instant: number, isOver: () => boolean): Promise<void> {
    for (;;) {
      await this.#rest();
      if (isOver() || !this.#clock.advance(instant)) return;
      this.#events += 1;
      if (this.#events > EVENTS_MAX) {
        this.#watch.violate("it never comes to rest");
        return;
      }
    }
  }

  /** Until the object waits for the clock, and nothing else is due in this instant. */
  async #rest(): Promise<void> {
    for (;;) {
      await settle();
      const wrote = this.#write();
      const left = this.#network.flush();
      const due = this.#due;
      if (due.length > 0) this.#due = [];
      for (const what of due) this.#disturb(what);
      if (!wrote && left === 0 && due.length === 0) return;
    }
  }

  /** What the object wrote becomes durable, or is lost with it. True when the object goes on because of it. */
  #write(): boolean {
    const storage = this.#storage;
    if (!storage.isDirty) return false;
    const crash = this.#pointNow("write");
    if (crash?.keep === false) {
      this.#trace.add(() => "(what was written is lost)");
      this.#object.crash();
      return true;
    }
    const before = storage.durable.record;
    const forgot = this.#object.takeForgot();
    const goesOn = storage.commit();
    const { record, alarm } = storage.durable;
    this.#object.arm();
    this.#traceRecord(before);
    this.#watch.written(record, alarm, this.#object.isArmed, before, forgot);
    if (this.#strict && record !== null && record !== before) this.#watch.readable(record);
    if (record === null && before !== null) {
      this.#object.unregister();
      this.#cloud.writings = 0;
      this.#cloud.newest = null;
    }
    if (crash !== null) this.#object.crash();
    return goesOn || crash !== null;
  }

  #traceRecord(before: unknown): void {
    const { record, alarm } = this.#storage.durable;
    if (record === before) return;
    this.#trace.add(() => {
      if (record === null) return "record erased";
      const { intent, status, machine, volume, creating, lastError } = record;
      const error = lastError === null ? "" : ` (${lastError.code})`;
      return `record: ${intent}, ${status}${error}, machine ${machine?.id ?? "-"}, volume ${volume?.id ?? "-"}, creating ${creating?.kind ?? "-"}, alarm in ${alarm === null ? "-" : Math.round((alarm - this.#clock.now()) / 1_000)} s`;
    });
  }

  #point(label: string): void {
    this.#due.push(...this.#dueAt(label));
  }

  /** A point at which a crash can't wait. */
  #pointNow(label: string): { keep: boolean } | null {
    let crash: { keep: boolean } | null = null;
    for (const what of this.#dueAt(label)) {
      if (what.kind === "crash") crash = what;
      else this.#due.push(what);
    }
    return crash;
  }

  #dueAt(label: string): readonly Disturbance[] {
    const place = this.#counter.next(label, this.#clock.now() - EPOCH_MS);
    if (this.#isCalm) return NOTHING;
    if (this.#keepsPlaces) this.#points.push(place);
    return this.#plan.at(place);
  }

  /** Not in the first minutes: a provision takes a row that is as young for its own (see `FRESH_ROW_MS` in keeper.ts). */
  #loseStorage(): void {
    const { registeredAt } = this.#object;
    if (registeredAt === null || this.#clock.now() < registeredAt + FRESH_MS) return;
    this.#storage.lose();
    this.#cloud.memoryLost = true;
    this.#object.crash();
  }

  #disturb(what: Disturbance): void {
    switch (what.kind) {
      case "crash":
        this.#object.crash();
        break;
      case "action":
        this.#object.act(what.action);
        break;
      case "alarm":
        this.#object.ringAgain();
        break;
      case "happening":
        this.#trace.add(() => `FLY ${JSON.stringify(what.happening)}`);
        happen(this.#cloud, what.happening);
        if (what.happening.kind === "storage_lost") this.#loseStorage();
        this.#watch.changed();
        break;
      default:
        what satisfies never;
    }
  }
}
