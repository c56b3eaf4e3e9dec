import { z } from "zod";
import {
  createKeeper,
  type Keeper,
  type KeeperPorts,
  type RegistryPort,
} from "../../../src/instance/keeper.ts";
import type { OpenedEnv } from "../../../src/crypto/sealed-env.ts";
import type { SecretBox } from "../../../src/crypto/secret-box.ts";
import type { EnvSeal } from "../../../src/instance/machine-request.ts";
import { appNameOf } from "../../../src/instance/names.ts";
import type { Intent } from "../../../src/instance/state.ts";
import type { Decision } from "../../../src/instance/step.ts";
import { type Identity, newOwnApp } from "../../../src/instance/wishes.ts";
import { createCloudClient } from "../cloud/client.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { SEALED_WITH } from "../cloud/machines.ts";
import { STREAM } from "../cloud/streams.ts";
import type { Cancel, VirtualClock } from "../clock.ts";
import type { Network } from "./network.ts";
import type { UserAction } from "./plan.ts";
import { traced } from "./traced.ts";
import type { SimulatedStorage } from "./storage.ts";
import type { Trace } from "./trace.ts";

export type ObjectParts = {
  clock: VirtualClock;
  cloud: Cloud;
  network: Network;
  storage: SimulatedStorage;
  trace: Trace;
  /** Exchanges parts of the core, to see whether it is noticed. */
  plant: (ports: KeeperPorts) => KeeperPorts;
  ownApp: boolean;
  /** The object waits for something, so that others may come in between. */
  waits: (why: string) => void;
  threw: (cause: unknown) => void;
};

export const USER_ID = "user";
export const SHARED_APP = "app";
export const ORG = "kilo";
const REGIONS = ["ams", "fra", "iad"];
export const SANDBOX_ID = "dXNlcg";
export const VOLUME_NAME = "kc_2bb80d537b1da3e38bd30361aa8";

/** What takes a turn of the event loop or more, though it asks nobody outside. */
const INSIDE_MS = 1;
const REGISTRY_MS = 5;

/** What was said of what Fly may keep, and what was wished for then, be that durable yet or not. */
export type Forgot = { why: string; intent: Intent | null };

/**
 * What the platform does with an object: it begins it anew when it is gone, hands it calls and alarms, and rings an alarm again
 * whose handler was cut off (docs: durable-objects/api/alarms, at least once).
 */
export class SimulatedObject {
  readonly #parts: ObjectParts;
  #incarnation = 0;
  #keeper: Keeper;
  /** What the present incarnation waits for. */
  #waiting = 0;
  #alarm: { at: number; cancel: Cancel } | null = null;
  #registeredAt: number | null = null;
  #configurations = 0;
  #decided: Decision["kind"] | null = null;
  #isAlarmRunning = false;
  #forgot: Forgot | null = null;

  constructor(parts: ObjectParts) {
    this.#parts = parts;
    this.#keeper = this.#begin();
  }

  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  /** Whether the present incarnation found last that nothing is left to do. */
  get isSettled(): boolean {
    return this.isIdle && this.#decided === "settled";
  }

  /** Whether the platform will hand it an alarm, or is doing so. */
  get isArmed(): boolean {
    return this.#alarm !== null || this.#isAlarmRunning;
  }

  act(action: UserAction): void {
    this.#parts.trace.add(() => `USER ${action}`);
    this.#run(this.#operate(action));
  }

  ringNow(): void {
    this.#alarm?.cancel();
    this.#ring();
  }

  /** The platform hands it the same alarm a second time. */
  ringAgain(): void {
    this.#parts.trace.add(() => "ALARM, once more");
    this.#run(this.#keeper.alarm());
  }

  /** What was said of what Fly may keep, by a destroy by force since this was asked last; null where there was none. */
  takeForgot(): Forgot | null {
    const forgot = this.#forgot;
    this.#forgot = null;
    return forgot;
  }

  /** Since when the registry knows the instance. */
  get registeredAt(): number | null {
    return this.#registeredAt;
  }

  /** The registry forgets the instance, as the platform does when it is destroyed. */
  unregister(): void {
    this.#registeredAt = null;
  }

  /** All that is in memory is gone. What the object has sent stays sent. */
  crash(): void {
    const { trace, network, storage, clock, cloud } = this.#parts;
    trace.add(() => "CRASH");
    network.drop();
    storage.rollback();
    this.#keeper = this.#begin();
    this.#isAlarmRunning = false;
    if (!storage.durable.isRinging || this.#alarm !== null) return;
    const again = cloud.between(STREAM.alarm, cloud.world.alarmAgain);
    this.#alarm = { at: clock.now() + again, cancel: clock.at(again, () => this.#ring()) };
  }

  /** The alarm rings when the durable storage says so, or a little later. */
  arm(): void {
    const { storage, clock, cloud } = this.#parts;
    const { alarm: at, isRinging } = storage.durable;
    if (isRinging || this.#alarm?.at === at) return;
    this.#alarm?.cancel();
    this.#alarm = null;
    if (at === null) return;
    const late = cloud.between(STREAM.alarm, cloud.world.alarmLate);
    this.#alarm = { at, cancel: clock.at(at - clock.now() + late, () => this.#ring()) };
  }

  #operate(action: UserAction): Promise<unknown> {
    const keeper = this.#keeper;
    switch (action) {
      case "provision":
        this.#registeredAt ??= this.#parts.clock.now();
        return keeper.provision({ userId: USER_ID });
      case "configure":
        if (this.#registeredAt === null) return Promise.resolve();
        this.#configurations += 1;
        return this.#configurations % 2 === 0
          ? keeper.configure(USER_ID, { kilocodeDefaultModel: `model-${this.#configurations}` })
          : keeper.provision({ userId: USER_ID, kilocodeDefaultModel: `model-${this.#configurations}` });
      case "doubt":
        return keeper.doubt();
      case "destroy_force":
        return keeper.destroy(USER_ID, { force: true });
      case "start":
      case "stop":
      case "restart":
      case "rotate":
      case "destroy":
      case "repair":
      case "restore":
        return keeper[action](USER_ID);
      default:
        return action satisfies never;
    }
  }

  #ring(): void {
    const { storage, trace } = this.#parts;
    trace.add(() => "ALARM");
    this.#alarm = null;
    storage.takeAlarm();
    this.#isAlarmRunning = true;
    const incarnation = this.#incarnation;
    this.#run(
      this.#keeper.alarm().then(() => {
        if (incarnation === this.#incarnation) this.#isAlarmRunning = false;
      }),
    );
  }

  #run(work: Promise<unknown>): void {
    work.catch(this.#parts.threw);
  }

  #begin(): Keeper {
    const { clock, cloud, network, storage, trace, waits, plant } = this.#parts;
    this.#incarnation += 1;
    this.#waiting = 0;
    this.#decided = null;
    this.#forgot = null;
    const incarnation = this.#incarnation;
    const isAlive = (): boolean => incarnation === this.#incarnation;
    // The promises of an object that is gone stay open for good, and nobody holds them.
    const held = <T>(promise: Promise<T>): Promise<T> => {
      this.#waiting += 1;
      return new Promise((resolve, reject) => {
        promise.then((value) => {
          if (!isAlive()) return;
          this.#waiting -= 1;
          resolve(value);
        }, reject);
      });
    };
    const after = <T>(why: string, ms: number, value: () => T): Promise<T> => {
      waits(why);
      return held(
        new Promise((resolve) => {
          clock.at(ms, () => resolve(value()));
        }),
      );
    };
    const ports: KeeperPorts = {
      storage,
      clock: {
        now: () => clock.now(),
        sleep: (ms, signal) => {
          waits("sleep");
          return held(clock.sleep(ms, signal));
        },
      },
      random: () => cloud.draw(STREAM.alarm),
      fly: createCloudClient(cloud, (call) => held(network.send(call, isAlive))),
      health: (app, machineId) => {
        const { health, afterMs } = network.health(app, machineId);
        return after("health", afterMs, () => health);
      },
      controller: (app, machineId) => ({
        version: () => {
          const { answer, afterMs } = network.version(app, machineId);
          return after("version", afterMs, () => answer);
        },
        updateEnv: (update, signal) => {
          waits("settings");
          return held(network.applyEnv({ app, machineId, update, signal }, isAlive));
        },
      }),
      tokens: () => after("tokens", INSIDE_MS, () => TOKENS),
      envSeal: sealBy(after),
      secretBox: NO_SECRETS,
      machineDefaults: { image: "registry.fly.io/app:tag", allowedOrigins: [] },
      regions: REGIONS,
      registry: { findActiveInstance: () => after("registry", REGISTRY_MS, () => this.#findRegistered()) },
      identify: () => after("identify", INSIDE_MS, () => this.#identity()),
      warn: ({ what, why }) => {
        if (what === "forgotten") this.#forgot = { why, intent: storage.load()?.intent ?? null };
      },
    };
    return createKeeper(
      traced(plant(ports), trace, ({ kind }) => {
        this.#decided = kind;
      }),
    );
  }

  #findRegistered(): Awaited<ReturnType<RegistryPort["findActiveInstance"]>> {
    const { cloud } = this.#parts;
    if (cloud.chance(STREAM.registry, cloud.world.registryAwayShare)) return { kind: "unavailable" };
    if (this.#registeredAt === null) return { kind: "absent" };
    const createdAt = new Date(this.#registeredAt);
    return { kind: "found", instance: { sandboxId: SANDBOX_ID, createdAt } };
  }

  #identity(): Identity {
    const named = { userId: USER_ID, sandboxId: SANDBOX_ID, volumeName: VOLUME_NAME };
    if (!this.#parts.ownApp) return { ...named, appName: SHARED_APP, ownApp: null };
    return { ...named, appName: appNameOf(USER_ID, 0), ownApp: newOwnApp(ORG) };
  }
}

const TOKENS = { gatewayToken: "gateway", proxyToken: "proxy" };

/** No user here has sealed values. */
const NO_SECRETS: SecretBox = {
  publicKey: async () => null,
  open: async () => ({ kind: "no_key" }),
  seal: async () => null,
  isCurrent: async () => false,
};

/** Stands for the real seal, which is slow and not what is looked at here. What it gives tells by which key it opens. */
function sealBy(after: <T>(why: string, ms: number, value: () => T) => Promise<T>): EnvSeal {
  const seal = (env: Record<string, string>, keyVersion: number): Record<string, string> => ({
    SEALED: JSON.stringify(env),
    [SEALED_WITH]: String(keyVersion),
  });
  const open = (env: Record<string, string>): OpenedEnv => {
    const { SEALED, [SEALED_WITH]: keyVersion } = env;
    if (SEALED === undefined) return { env, keyVersion: null };
    return { env: sealedSchema.parse(JSON.parse(SEALED)), keyVersion: Number(keyVersion) };
  };
  return {
    seal: (env, _sandboxId, keyVersion) => after("seal", INSIDE_MS, () => seal(env, keyVersion)),
    open: (env) => after("open", INSIDE_MS, () => open(env)),
    appSecret: (_sandboxId, keyVersion) =>
      after("key", INSIDE_MS, () => [keyVersion, keyVersion - 1].filter((one) => one > 0).join(",")),
  };
}

const sealedSchema = z.record(z.string(), z.string());
