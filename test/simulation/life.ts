import type { FlyClient } from "../../src/fly/client.ts";
import type { InstanceEvent } from "../../src/instance/events.ts";
import { createReconciler, type Reconciler, type StoragePort } from "../../src/instance/loop.ts";
import { DEFAULT_MACHINE_SIZE } from "../../src/instance/machine-request.ts";
import { nextAlarmAt } from "../../src/instance/schedule.ts";
import {
  instanceStateSchema,
  type InstanceState,
  type Intent,
  newState,
  withIntent,
  withNewGeneration,
} from "../../src/instance/state.ts";
import { VirtualClock } from "./clock.ts";
import { SimulatedCloud } from "./cloud.ts";
import { losingAnswers } from "./lost-answers.ts";
import { Random } from "./random.ts";

const OPERATION_WAIT_MS = 25_000;
const ALARM_WAIT_MS = 60_000;

/** One instance on one simulated cloud, with the shell around the loop reduced to what the object does. */
export class Life {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly cloud: SimulatedCloud;
  readonly events: InstanceEvent[] = [];
  #stored: string | null = null;
  #reconciler: Reconciler;
  #cancelAlarm: () => void = () => undefined;
  /** Calls of an object that was evicted come to nothing. */
  #generation = 0;

  readonly #fly: FlyClient;

  /** @param lostAnswers the part of all changing calls whose answer is lost after they took effect */
  constructor(seed: number, { lostAnswers }: { lostAnswers: number }) {
    this.random = new Random(seed);
    this.cloud = new SimulatedCloud(this.clock, this.random);
    this.#fly = losingAnswers(this.cloud, this.random, lostAnswers);
    this.#reconciler = this.#createReconciler();
  }

  get state(): InstanceState | null {
    return this.#stored === null ? null : instanceStateSchema.parse(JSON.parse(this.#stored));
  }

  provision(): void {
    const settings = {
      envVars: {},
      kilocodeApiKey: null,
      kilocodeDefaultModel: null,
      channels: { telegramBotToken: null, discordBotToken: null, slackBotToken: null, slackAppToken: null },
    };
    const identity = { userId: "user", sandboxId: "dXNlcg", appName: "app", volumeName: "kc_volume" };
    const wishes = { regions: ["ams", "fra"], machineSize: DEFAULT_MACHINE_SIZE, settings, fingerprint: "1" };
    this.#operate(newState(identity, wishes, this.clock.now()));
  }

  wish(intent: Intent): void {
    const { state } = this;
    if (state === null || state.intent === "destroyed") return;
    this.#operate(withIntent(state, intent, this.clock.now()));
  }

  restart(): void {
    const { state } = this;
    if (state === null || state.intent === "destroyed") return;
    this.#operate(withNewGeneration(withIntent(state, "running", this.clock.now()), "2"));
  }

  /** The object is evicted: its memory and its calls are lost, its storage and its alarm stay. */
  evict(): void {
    this.#generation += 1;
    this.#reconciler = this.#createReconciler();
  }

  #operate(state: InstanceState): void {
    this.#save(state);
    this.#arm(this.clock.now() + 5_000);
    this.#reconciler.nudge();
    this.#run(OPERATION_WAIT_MS);
  }

  #run(boundMs: number): void {
    const generation = this.#generation;
    void this.#reconciler.run(this.clock.now() + boundMs).then((verdict) => {
      const { state } = this;
      if (state === null || generation !== this.#generation) return;
      this.#arm(nextAlarmAt(state.status, state.statusSince, verdict, this.clock.now(), this.random.next()));
    });
  }

  #arm(at: number): void {
    this.#cancelAlarm();
    this.#cancelAlarm = this.clock.at(at - this.clock.now(), () => {
      if (this.#stored === null) return;
      this.#arm(this.clock.now() + ALARM_WAIT_MS);
      this.#run(ALARM_WAIT_MS);
    });
  }

  #save(state: InstanceState): void {
    this.#stored = JSON.stringify(instanceStateSchema.parse(state));
  }

  #createReconciler(): Reconciler {
    const generation = this.#generation;
    const evicted = (): boolean => generation !== this.#generation;
    const storage: StoragePort = {
      load: () => (evicted() ? null : this.state),
      save: (state) => {
        if (!evicted()) this.#save(state);
      },
      append: (event) => {
        if (!evicted()) this.events.push(event);
      },
      erase: async () => {
        if (evicted()) return;
        this.#stored = null;
        this.#cancelAlarm();
      },
    };
    return createReconciler({
      storage,
      clock: this.clock,
      fly: this.#fly,
      health: (app, machineId) => this.cloud.health(app, machineId),
      tokens: async () => ({ gatewayToken: "gateway", proxyToken: "proxy" }),
      machineDefaults: { image: "registry.fly.io/app:tag", allowedOrigins: [] },
    });
  }
}
