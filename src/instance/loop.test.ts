import { env } from "cloudflare:workers";
import { afterEach, expect, inject, it } from "vitest";
import { createFlyClient, type FlyClient } from "../fly/client.ts";
import type { Health } from "../gateway/health.ts";
import type { InstanceEvent } from "./events.ts";
import { createReconciler, type LoopPorts, type Reconciler } from "./loop.ts";
import { createSecretBox } from "../crypto/secret-box.ts";
import { createEnvSeal } from "./env-seal.ts";
import type { InstanceState, Intent } from "./state.ts";
import { withIntent } from "./wishes.ts";
import { toldController } from "./testing/controller.ts";
import { HOUR_MS, NOW, record, SECOND_MS } from "./testing/records.ts";
import { StageClock } from "./testing/stage-clock.ts";

const APP = env.FLY_APP_NAME ?? "";

const flyAt = (baseUrl: string): FlyClient =>
  createFlyClient({
    baseUrl,
    token: env.FLY_API_TOKEN ?? "",
    rateLimits: false,
    onCall: () => undefined,
  });
const fly = flyAt(inject("flyApiUrl"));
const unreachableFly = flyAt("http://127.0.0.1:1");

type Stage = {
  clock: StageClock;
  reconciler: Reconciler;
  events: InstanceEvent[];
  state: () => InstanceState | null;
  wish: (intent: Intent) => void;
  /** What happened of a kind, oldest first. */
  whatOf: (kind: InstanceEvent["kind"]) => string[];
};

const stages: Stage[] = [];

/** One instance on the local Fly, with a record in memory. */
function stage(userId: string, fields: Partial<InstanceState> = {}, ports: Partial<LoopPorts> = {}): Stage {
  const clock = new StageClock();
  const events: InstanceEvent[] = [];
  let state: InstanceState | null = record({
    userId,
    sandboxId: `loop-${userId}`,
    volumeName: `kc_loop_${userId.replaceAll("-", "_")}`,
    appName: APP,
    inventoryAt: null,
    ...fields,
  });
  const reconciler = createReconciler({
    clock,
    fly,
    health: async () => ready,
    controller: toldController,
    tokens: async () => TOKENS,
    envSeal: createEnvSeal("a secret of the test"),
    secretBox: createSecretBox({ current: null, previous: null }),
    warn: () => undefined,
    onWork: async () => undefined,
    machineDefaults: { image: "registry.fly.io/app:tag", allowedOrigins: [] },
    storage: {
      load: () => state,
      save: (next) => {
        state = next;
      },
      append: (event) => void events.push(event),
      erase: async () => {
        state = null;
      },
    },
    ...ports,
  });
  const made: Stage = {
    clock,
    reconciler,
    events,
    state: () => state,
    wish: (intent) => {
      if (state !== null) state = withIntent(state, intent, clock.now());
    },
    whatOf: (kind) => events.filter((event) => event.kind === kind).map(({ what }) => what),
  };
  stages.push(made);
  return made;
}

const TOKENS = { gatewayToken: "gateway", proxyToken: "proxy" };
const ready: Health = { kind: "answered", state: "ready", stage: "gateway" };
const starting: Health = { kind: "answered", state: "starting", stage: "gateway" };

const machinesOf = async (userId: string): Promise<string[]> => {
  const found = await fly.findMachines(APP, "kiloclaw_user_id", userId);
  return found.ok ? found.value.filter(({ state }) => state !== "destroyed").map(({ id }) => id) : [];
};

afterEach(async () => {
  for (const { clock, reconciler, wish } of stages.splice(0)) {
    wish("destroyed");
    reconciler.nudge();
    clock.letPass(HOUR_MS);
    await reconciler.run(clock.now() + HOUR_MS);
  }
});

it("has nothing to do for an instance that does not exist", async () => {
  const nobody = { load: () => null, save: () => undefined, append: () => undefined, erase: async () => {} };
  const { reconciler } = stage("nobody", {}, { fly: unreachableFly, storage: nobody });
  expect(await reconciler.run(NOW + SECOND_MS)).toEqual({ kind: "settled", againAt: null });
});

it("lets callers join one effort: each leaves at its own bound, and the last one's is the effort's", async () => {
  let health = starting;
  const { clock, reconciler, wish, whatOf } = stage("joined", {}, { health: async () => health });
  wish("running");
  const short = reconciler.run(NOW + SECOND_MS);
  const long = reconciler.run(NOW + 20 * SECOND_MS);
  let isLongDone = false;
  void long.then(() => {
    isLongDone = true;
  });
  clock.letPass(SECOND_MS);
  expect(await short).toEqual({ kind: "pending", nextAt: NOW + SECOND_MS });
  expect(isLongDone).toBe(false);
  health = ready;
  clock.letPass(10 * SECOND_MS);
  expect(await long).toEqual({ kind: "settled", againAt: null });
  expect(whatOf("step")).toEqual(["create_volume", "create_machine", "ask_version"]);
  expect(await machinesOf("joined")).toHaveLength(1);
});

it("ends a wait at once for a newer wish, without a moment passing", async () => {
  const { clock, reconciler, wish, whatOf, state } = stage("nudged", {}, { health: async () => starting });
  wish("running");
  const verdict = reconciler.run(NOW + HOUR_MS);
  clock.letPass(SECOND_MS);
  // The caller's bound, and the pause before the gateway is asked again.
  await expect.poll(() => clock.isStandingStill(2)).toBe(true);
  const standsAt = clock.now();
  wish("stopped");
  reconciler.nudge();
  await expect.poll(() => whatOf("step")).toContain("stop_machine");
  expect(clock.now()).toBe(standsAt);
  clock.letPass(HOUR_MS / 2);
  expect(await verdict).toEqual({ kind: "settled", againAt: null });
  expect(state()).toMatchObject({ intent: "stopped", status: "stopped" });
});

it("decides nothing on what was seen for an older wish, which did not ask after the volume", async () => {
  let isWatched = false;
  const made = stage(
    "outdated",
    {},
    {
      fly: {
        ...fly,
        getMachine: async (app, id) => {
          const answer = await fly.getMachine(app, id);
          if (isWatched) made.wish("destroyed");
          isWatched = false;
          return answer;
        },
      },
    },
  );
  made.wish("running");
  made.clock.letPass(20 * SECOND_MS);
  await made.reconciler.run(NOW + HOUR_MS);
  const { machine, volumeName } = made.state() ?? {};
  await fly.destroyMachine(APP, machine?.id ?? "");
  await fly.waitForMachine(APP, machine?.id ?? "", "destroyed", "", 10, new AbortController().signal);

  isWatched = true;
  made.clock.letPass(HOUR_MS / 2);
  expect(await made.reconciler.run(NOW + HOUR_MS)).toEqual({ kind: "settled", againAt: null });
  expect(made.state()).toBeNull();
  expect(await fly.findVolumes(APP, volumeName ?? "")).toEqual({ ok: true, value: [] });
});

it("takes away again what a create makes that was under way when the wish changed", async () => {
  const createMachine: FlyClient["createMachine"] = (app, request) => {
    made.wish("destroyed");
    return fly.createMachine(app, request);
  };
  const made = stage("regretted", {}, { fly: { ...fly, createMachine } });
  made.wish("running");
  made.clock.letPass(HOUR_MS / 2);
  expect(await made.reconciler.run(NOW + HOUR_MS)).toEqual({ kind: "settled", againAt: null });
  expect(made.state()).toBeNull();
  expect(made.whatOf("step")).toEqual([
    "create_volume",
    "create_machine",
    "destroy_machine",
    "delete_volume",
    "erase",
  ]);
  expect(await machinesOf("regretted")).toEqual([]);
});

it("does not send a create that was only prepared when the wish changed", async () => {
  const tokens = async () => {
    made.wish("stopped");
    return TOKENS;
  };
  const made = stage("forestalled", {}, { tokens });
  made.wish("running");
  made.clock.letPass(HOUR_MS / 2);
  expect(await made.reconciler.run(NOW + HOUR_MS)).toEqual({ kind: "settled", againAt: null });
  expect(made.state()).toMatchObject({ intent: "stopped", machine: null, creating: null });
  expect(made.whatOf("step")).toEqual(["create_volume"]);
  expect(await machinesOf("forestalled")).toEqual([]);
});

it("sits out a few short pauses when Fly can't be reached, then tells, and when it is tried again", async () => {
  const made = stage("cut-off", {}, { fly: unreachableFly });
  made.wish("running");
  made.clock.letPass(HOUR_MS / 2);
  const verdict = await made.reconciler.run(NOW + HOUR_MS);
  const tookMs = made.clock.now() - NOW;
  expect(tookMs).toBeGreaterThan(SECOND_MS);
  expect(tookMs).toBeLessThan(25 * SECOND_MS);
  const { lastError, retryAt } = made.state() ?? {};
  expect(verdict).toEqual({ kind: "pending", nextAt: retryAt });
  expect(retryAt).toBeGreaterThan(made.clock.now());
  expect(lastError).toMatchObject({ code: "fly_unreachable", nextTryAt: retryAt });
  expect(made.whatOf("problem")).toEqual(["fly_unreachable"]);
});

/** A machine at Fly of which no record knows, on a volume of that name where one is given. */
async function strayMachine(name: string, userId: string, volumeName: string | null): Promise<string> {
  const guest = { cpu_kind: "shared", cpus: 1, memory_mb: 256 } as const;
  const size = { size_gb: 1, compute: guest };
  const volume =
    volumeName === null ? null : await fly.createVolume(APP, { name: volumeName, region: "ams", ...size });
  if (volume?.ok === false) throw new Error(volume.error.message);
  const made = await fly.createMachine(APP, {
    name,
    region: "ams",
    config: {
      image: "registry.fly.io/app:tag",
      env: {},
      guest,
      mounts: volume === null ? [] : [{ volume: volume.value.id, path: "/root" }],
      services: [],
      metadata: { kiloclaw_user_id: userId, kiloclaw_sandbox_id: name },
      restart: { policy: "on-failure" },
      stop_config: { signal: "SIGTERM", timeout: "1s" },
    },
  });
  if (!made.ok) throw new Error(made.error.message);
  return made.value.id;
}

it("takes over the machine that has the instance's name, metadata and volume, with its size", async () => {
  const id = await strayMachine("loop-lost", "lost", "kc_loop_lost");
  const { clock, reconciler, wish, state } = stage("lost");
  wish("running");
  clock.letPass(20 * SECOND_MS);
  expect(await reconciler.run(NOW + HOUR_MS)).toEqual({ kind: "settled", againAt: null });
  expect(state()).toMatchObject({
    status: "running",
    machine: { id, verified: true },
    machineSize: { cpuKind: "shared", cpus: 1, memoryMb: 256 },
    creating: null,
  });
  expect(await machinesOf("lost")).toEqual([id]);
});

it("replaces a machine of its own that has the name, but not the volume", async () => {
  const id = await strayMachine("loop-stale", "stale", null);
  const { clock, reconciler, wish, state, whatOf } = stage("stale");
  wish("running");
  clock.letPass(HOUR_MS / 2);
  expect(await reconciler.run(NOW + HOUR_MS)).toEqual({ kind: "settled", againAt: null });
  const { machine } = state() ?? {};
  expect(machine).toMatchObject({ verified: true });
  expect(machine?.id).not.toBe(id);
  expect(await machinesOf("stale")).toEqual([machine?.id]);
  expect(whatOf("step").filter((step) => step === "create_machine")).toHaveLength(2);
});

it("leaves a machine alone that has the name and is another tenant's", async () => {
  const id = await strayMachine("loop-squatted", "somebody-else", null);
  const { clock, reconciler, wish, state, whatOf } = stage("squatted");
  wish("running");
  clock.letPass(20 * SECOND_MS);
  expect(await reconciler.run(NOW + HOUR_MS)).toMatchObject({ kind: "pending" });
  expect(state()).toMatchObject({ status: "starting", lastError: { code: "machine_not_ours" } });
  expect(whatOf("step")).not.toContain("update_machine");
  expect(await machinesOf("somebody-else")).toEqual([id]);
  await fly.destroyMachine(APP, id);
});
