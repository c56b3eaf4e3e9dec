import { env } from "cloudflare:workers";
import { inject } from "vitest";
import { createFlyClient, type FlyClient } from "../../fly/client.ts";
import { createSecretBox } from "../../crypto/secret-box.ts";
import { createEnvSeal } from "../env-seal.ts";
import type { InstanceEvent } from "../events.ts";
import { createKeeper, type Keeper, type KeeperPorts, type RegistryPort } from "../keeper.ts";
import type { InstanceState } from "../state.ts";
import { readState } from "../stored.ts";
import type { Warning } from "../warning.ts";
import { toldController } from "./controller.ts";
import type { AppAtFly } from "./app-at-fly.ts";
import { HOUR_MS, NOW } from "./records.ts";
import { StageClock } from "./stage-clock.ts";

const APP = env.FLY_APP_NAME ?? "";

export function flyAt(baseUrl: string): FlyClient {
  return createFlyClient({
    baseUrl,
    token: env.FLY_API_TOKEN ?? "",
    rateLimits: false,
    onCall: () => undefined,
  });
}

export const localFly = flyAt(inject("flyApiUrl"));

/** For an instance whose app is that of the test. */
export function portsIn({ fly, record }: AppAtFly): Pick<KeeperPorts, "fly" | "identify"> {
  const { userId, sandboxId, appName, ownApp, volumeName } = record();
  return { fly, identify: async () => ({ userId, sandboxId, appName, ownApp, volumeName }) };
}

/** What the registry answers to every question. */
export type Row = Awaited<ReturnType<RegistryPort["findActiveInstance"]>>;

export function rowOf(userId: string, ageMs = HOUR_MS): Row {
  return { kind: "found", instance: { sandboxId: sandboxIdOf(userId), createdAt: new Date(NOW - ageMs) } };
}

const sandboxIdOf = (userId: string) => `keeper-${userId}`;

export type KeeperStage = {
  keeper: Keeper;
  clock: StageClock;
  events: InstanceEvent[];
  warnings: Warning[];
  state: () => InstanceState | null;
  /** When the alarm is to ring; null for never. */
  alarmAt: () => number | null;
  /** Forgets everything, as an object whose storage was lost. */
  wipe: () => void;
  /** Stores a record as an earlier life may have left it. */
  put: (record: InstanceState) => void;
  /** What happened of a kind, oldest first. */
  whatOf: (kind: InstanceEvent["kind"]) => string[];
  machines: () => Promise<{ id: string; state: string }[]>;
};

/** A keeper on the local Fly, with its storage in memory, time of its own, and a registry that answers `row`. */
export function keeperStage(
  userId: string,
  row: () => Row,
  { fly = localFly, ...ports }: Partial<KeeperPorts> = {},
): KeeperStage {
  const clock = new StageClock();
  clock.letPass(1_000 * HOUR_MS);
  const events: InstanceEvent[] = [];
  const warnings: Warning[] = [];
  let state: InstanceState | null = null;
  let alarmAt: number | null = null;
  const wipe = (): void => {
    state = null;
    alarmAt = null;
  };
  const keeper = createKeeper({
    clock,
    fly: clock.whileTimeStands(fly),
    health: async () => ({ kind: "answered", state: "ready", stage: "gateway" }),
    controller: toldController,
    tokens: async () => ({ gatewayToken: "gateway", proxyToken: "proxy" }),
    envSeal: createEnvSeal("a secret of the stage"),
    secretBox: createSecretBox({ current: null, previous: null }),
    machineDefaults: { image: "registry.fly.io/app:tag", allowedOrigins: [] },
    warn: (warning) => void warnings.push(warning),
    random: () => 0,
    regions: ["ams", "fra"],
    registry: { findActiveInstance: async () => row() },
    identify: async (id, sandboxId) => ({
      userId: id,
      sandboxId: sandboxId ?? sandboxIdOf(id),
      appName: APP,
      ownApp: null,
      volumeName: `kc_${userId.replaceAll("-", "_")}`,
    }),
    storage: {
      read: () => readState(state),
      load: () => state,
      save: (next) => {
        state = next;
      },
      append: (event) => void events.push(event),
      setAlarm: async (at) => {
        alarmAt = at;
      },
      erase: async () => wipe(),
    },
    ...ports,
  });
  return {
    keeper,
    clock,
    events,
    warnings,
    wipe,
    put: (record) => {
      state = record;
    },
    state: () => state,
    alarmAt: () => alarmAt,
    whatOf: (kind) => events.filter((event) => event.kind === kind).map(({ what }) => what),
    async machines() {
      const found = await localFly.findMachines(APP, "kiloclaw_user_id", userId);
      return found.ok ? found.value.filter((machine) => machine.state !== "destroyed") : [];
    },
  };
}
