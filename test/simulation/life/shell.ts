import type { FlyClient } from "../../../src/fly/client.ts";
import type { MachineTokens } from "../../../src/auth/machine-tokens.ts";
import type { Health } from "../../../src/gateway/health.ts";
import {
  type ClockPort,
  createReconciler,
  type LoopPorts,
  type Verdict,
} from "../../../src/instance/loop.ts";
import { DEFAULT_MACHINE_SIZE } from "../../../src/instance/machine-request.ts";
import { nextAlarmAt } from "../../../src/instance/schedule.ts";
import {
  type InstanceState,
  type Intent,
  newState,
  withIntent,
  withNewGeneration,
  withStatus,
} from "../../../src/instance/state.ts";
import type { UserAction } from "./plan.ts";
import type { SimulatedStorage } from "./storage.ts";

export type Shell = Record<UserAction | "alarm", () => Promise<unknown>>;

export type ShellPorts = {
  storage: SimulatedStorage;
  clock: ClockPort;
  fly: FlyClient;
  health: (appName: string, machineId: string) => Promise<Health>;
  tokens: () => Promise<MachineTokens & { envKey: string }>;
  random: () => number;
  seams: Partial<LoopPorts>;
};

const OPERATION_WAIT_MS = 25_000;
const ALARM_WAIT_MS = 60_000;

export function createShell(ports: ShellPorts): Shell {
  const { storage, clock, seams } = ports;
  const reconciler = createReconciler({
    storage: storage as never,
    clock,
    fly: ports.fly,
    health: ports.health,
    tokens: ports.tokens as never,
    machineDefaults: { image: "registry.fly.io/app:tag", allowedOrigins: [] },
    ...seams,
  });
  const next = (state: InstanceState, verdict: Verdict) =>
    nextAlarmAt(state.status, state.statusSince, verdict, clock.now(), ports.random());
  const run = async (ms: number) => {
    const verdict = await reconciler.run(clock.now() + ms);
    const state = storage.load();
    if (state !== null) await storage.setAlarm(next(state, verdict));
  };
  const operate = async (state: InstanceState) => {
    storage.save(state);
    await storage.setAlarm(clock.now() + 5_000);
    reconciler.nudge();
    await run(OPERATION_WAIT_MS);
  };
  const wish = async (intent: Intent, adjust: (s: InstanceState) => InstanceState = (s) => s) => {
    const state = storage.load();
    if (state === null || (state.intent === "destroyed" && intent !== "destroyed")) return;
    await operate(adjust(withIntent(state, intent, clock.now())));
  };
  return {
    provision: async () => {
      const state = storage.load();
      if (state?.intent === "destroyed") return;
      const settings = {
        envVars: {},
        kilocodeApiKey: null,
        kilocodeDefaultModel: null,
        channels: { telegramBotToken: null, discordBotToken: null, slackBotToken: null, slackAppToken: null },
      };
      const identity = {
        userId: "user",
        sandboxId: "dXNlcg",
        appName: "app",
        volumeName: "kc_volume",
        ownApp: null,
      };
      const wishes = {
        regions: ["ams", "fra"],
        machineSize: DEFAULT_MACHINE_SIZE,
        settings,
        fingerprint: "1",
      };
      await operate(state ?? newState(identity, wishes, clock.now()));
    },
    configure: async () => {
      const state = storage.load();
      if (state === null || state.intent === "destroyed") return;
      const changed = withNewGeneration(state, "3");
      await operate(state.status === "running" ? withStatus(changed, "starting", clock.now()) : changed);
    },
    start: () => wish("running"),
    stop: () => wish("stopped"),
    restart: () => wish("running", (s) => withNewGeneration(s, "2")),
    destroy: () => wish("destroyed"),
    repair: async () => {
      const state = storage.load();
      if (state === null) return;
      await (state.intent === "destroyed" ? operate({ ...state, retryAt: null }) : wish(state.intent));
    },
    doubt: async () => {
      if (storage.load() !== null) await run(3_000);
    },
    alarm: async () => {
      const state = storage.load();
      if (state === null) return;
      await storage.setAlarm(next(state, { kind: "pending", nextAt: clock.now() + ALARM_WAIT_MS }));
      await run(ALARM_WAIT_MS);
    },
  };
}
