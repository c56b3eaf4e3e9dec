import { describe, expect, it } from "vitest";
import { createSecretBox } from "../crypto/secret-box.ts";
import { createFlyClient } from "../fly/client.ts";
import type { ControllerAnswer } from "../gateway/client.ts";
import type { EnvApplied } from "../gateway/wire.ts";
import { createEnvSeal } from "./env-seal.ts";
import type { Outcome } from "./outcome.ts";
import { prepare } from "./perform.ts";
import { DEFAULT_MACHINE_SIZE } from "./sizes.ts";
import type { InstanceState } from "./state.ts";
import type { Step } from "./step.ts";
import { type AppAtFly, appAtFly, type Fault, valueOf } from "./testing/app-at-fly.ts";
import { controllerThatTakes, toldController } from "./testing/controller.ts";
import { knownVolume, ownAppAt, record } from "./testing/records.ts";

const TOKENS = { gatewayToken: "gateway", proxyToken: "proxy" };

const PORTS = {
  controller: toldController,
  tokens: async () => TOKENS,
  machineDefaults: { image: "registry.fly.io/app:tag", allowedOrigins: [] },
  envSeal: createEnvSeal("a secret of the test"),
  secretBox: createSecretBox({ current: null, previous: null }),
};

async function perform(at: AppAtFly, step: Step, fields: Partial<InstanceState> = {}): Promise<Outcome> {
  const call = await prepare(at.record(fields), step, { ...PORTS, fly: at.fly });
  return call(new AbortController().signal);
}

const createVolume: Step = {
  kind: "create_volume",
  name: "kc_volume",
  region: "ams",
  sizeGb: 10,
  source: { kind: "empty" },
  isReplacement: false,
};
const createOn = (volumeId: string, name: string): Step => ({
  kind: "create_machine",
  name,
  region: "ams",
  volumeId,
});
const refusal = (status: number, error: string): Fault["effect"] => ({
  kind: "error",
  status,
  body: { error },
});

describe("what came of a step", () => {
  it("is the id of what was made", async () => {
    const at = await appAtFly("perform-made");
    const made = await perform(at, createVolume);
    expect(made).toMatchObject({ kind: "volume_created", region: "ams" });
    const volumeId = made.kind === "volume_created" ? made.id : "";
    const machine = await perform(at, createOn(volumeId, "sandbox-perform-made"));
    expect(machine).toMatchObject({ kind: "machine_created" });
    const machineId = machine.kind === "machine_created" ? machine.id : "";
    expect(valueOf(await at.fly.getMachine(at.app, machineId))).toMatchObject({
      name: "sandbox-perform-made",
      config: { mounts: [{ volume: volumeId, path: "/root" }] },
    });
  });

  it("is a copy with the data of what it is a copy of", async () => {
    const at = await appAtFly("perform-copy");
    const source = await at.volume();
    await at.machine({ volume: source });
    const fork: Step = {
      kind: "create_candidate",
      name: "kc_volume",
      region: "fra",
      sizeGb: 10,
      source: { kind: "fork", volumeId: source },
    };
    expect(await perform(at, fork)).toMatchObject({ kind: "volume_created", region: "fra" });
    await at.happen({ kind: "snapshot", volume: source });
    const [snapshot] = valueOf(await at.fly.listSnapshots(at.app, source));
    const restore: Step = {
      ...fork,
      source: { kind: "snapshot", snapshotId: snapshot?.id ?? "", createdAt: "" },
    };
    expect(await perform(at, restore)).toMatchObject({ kind: "volume_created" });
  });

  it("is who has the name, where a machine has it", async () => {
    const at = await appAtFly("perform-named");
    const machineId = await at.machine({ name: "taken" });
    const outcome = await perform(at, createOn(await at.volume(), "taken"));
    expect(outcome).toEqual({ kind: "name_taken", machineId });
    await at.fault({ action: "machine_create", effect: refusal(409, "already_exists: unique machine name") });
    expect(await perform(at, createOn("vol_1", "taken"))).toMatchObject({
      kind: expect.stringMatching(/name_conflict|outcome_unknown/),
    });
  });

  it("is done for what is gone already", async () => {
    const at = await appAtFly("perform-gone");
    for (const step of [
      { kind: "destroy_machine", id: "0000000000000000" },
      { kind: "delete_volume", id: "vol_of_nobody" },
      { kind: "delete_leftover", left: { kind: "machine", id: "0000000000000000" } },
      { kind: "delete_leftover", left: { kind: "volume", id: "vol_of_nobody" } },
    ] as const satisfies Step[]) {
      expect(await perform(at, step)).toEqual({ kind: "done" });
    }
    expect(await perform(at, { kind: "delete_app" }, { appName: "kc-of-nobody" })).toEqual({ kind: "done" });
  });

  it.each([
    ["an answer that never came", { kind: "lost" }, { kind: "outcome_unknown" }],
    ["a 500", refusal(500, "oops"), { kind: "outcome_unknown" }],
    ["a 408", refusal(408, "request timeout"), { kind: "outcome_unknown" }],
    ["no room", { kind: "no_capacity" }, { kind: "no_capacity" }],
    ["a quota", { kind: "quota" }, { kind: "no_capacity" }],
    [
      "too many calls",
      { kind: "rate_limited", retryAfterSeconds: 7 },
      { code: "fly_busy", retryAfterMs: 7_000 },
    ],
    ["a token that is none", refusal(401, "unauthorized"), { code: "fly_unauthorized" }],
    ["a request that is none", refusal(400, "invalid_argument: nonsense"), { code: "fly_refused" }],
  ] as const)("is told of %s", async (what, effect, outcome) => {
    const at = await appAtFly(`perform-${what.replaceAll(/[^a-z0-9]+/g, "-")}`);
    await at.fault({ action: "volume_create", effect });
    expect(await perform(at, createVolume)).toMatchObject(outcome);
  });

  it("names no word of Fly's to the user", async () => {
    const at = await appAtFly("perform-words");
    await at.fault({ action: "volume_create", effect: refusal(400, "organization secret-org has no card") });
    expect(JSON.stringify(await perform(at, createVolume))).not.toContain("secret-org");
  });
});

describe("a machine of ours", () => {
  it("is stopped, started, updated with everything, and destroyed", async () => {
    const at = await appAtFly("perform-life");
    const volumeId = await at.volume();
    const id = await at.machine({ volume: volumeId });
    const volume = { ...knownVolume, id: volumeId };
    const reach = (state: "started" | "stopped") =>
      at.fly.waitForMachine(at.app, id, state, "", 10, new AbortController().signal);
    expect(await perform(at, { kind: "stop_machine", id })).toEqual({ kind: "done" });
    await reach("stopped");
    expect(await perform(at, { kind: "start_machine", id })).toEqual({ kind: "done" });
    await reach("started");
    const update: Step = {
      kind: "update_machine",
      id,
      generation: 3,
      size: { ...DEFAULT_MACHINE_SIZE, memoryMb: 4_096 },
      metadata: { fly_platform_version: "v2" },
      mountOptions: {},
      remounts: false,
    };
    expect(await perform(at, update, { volume, generation: 3 })).toEqual({ kind: "done" });
    expect(valueOf(await at.fly.getMachine(at.app, id)).config).toMatchObject({
      guest: { memory_mb: 4_096 },
      metadata: { kiloclaw_generation: "3", fly_platform_version: "v2" },
    });
    expect(await perform(at, { kind: "destroy_machine", id })).toEqual({ kind: "done" });
  });

  it("is not updated where no volume is known, which it would lose by that", async () => {
    const at = await appAtFly("perform-bare");
    const id = await at.machine();
    const size = DEFAULT_MACHINE_SIZE;
    const update: Step = {
      kind: "update_machine",
      id,
      generation: 1,
      size,
      metadata: {},
      mountOptions: {},
      remounts: false,
    };
    expect(await perform(at, update)).toMatchObject({ kind: "failed", code: "volume_missing" });
    expect((await at.calls()).filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  it("tells what the lost record said of it", async () => {
    const at = await appAtFly("perform-recover");
    const volumeId = await at.volume();
    const settings = { ...at.record().settings, envVars: { GREETING: "hello" }, kilocodeApiKey: "key" };
    const created = await perform(at, createOn(volumeId, "sandbox-perform-recover"), {
      settings,
      generation: 4,
    });
    const machineId = created.kind === "machine_created" ? created.id : "";
    const recover: Step = { kind: "recover", machineId, volume: null, intent: null, others: [] };
    expect(await perform(at, recover)).toEqual({
      kind: "recovered",
      settings,
      keyVersion: null,
      size: DEFAULT_MACHINE_SIZE,
      generation: 4,
    });
    expect(await perform(at, { ...recover, machineId: null })).toMatchObject({ settings: null });
  });

  it.each([
    [1e9, 1e9],
    [1e9 + 1, null],
    [Number.MAX_SAFE_INTEGER, null],
    [-1, null],
  ])("counts on from no generation that a machine made up: %d", async (generation, read) => {
    const at = await appAtFly(`perform-counted-${generation}`);
    const machineId = await at.machine({ generation });
    const recover: Step = { kind: "recover", machineId, volume: null, intent: null, others: [] };
    expect(await perform(at, recover)).toMatchObject({ kind: "recovered", generation: read });
  });

  it("that somebody else holds, or that is in another state, is told as such", async () => {
    const at = await appAtFly("perform-held");
    const id = await at.machine({ volume: await at.volume() });
    await at.happen({ kind: "leased", machine: id, forMs: 60_000 });
    await at.fault({
      action: "machine_start",
      effect: refusal(412, "unable to start machine from current state: 'destroying'"),
    });
    expect(await perform(at, { kind: "start_machine", id })).toMatchObject({ code: "machine_busy" });
    expect(await perform(at, { kind: "start_machine", id })).toMatchObject({ code: "machine_leased" });
  });

  it("that still holds the volume keeps it from being deleted", async () => {
    const at = await appAtFly("perform-bound");
    const id = await at.volume();
    await at.machine({ volume: id });
    expect(await perform(at, { kind: "delete_volume", id })).toMatchObject({ code: "volume_busy" });
  });
});

describe("an app of the tenant's own", () => {
  it("is made with a network of its name, gets addresses and the key, and is deleted", async () => {
    const at = await appAtFly("perform-app");
    const fields = { appName: "kc-wire-own", ownApp: ownAppAt("wanted", { orgSlug: "personal" }) };
    const create: Step = { kind: "create_app", name: "kc-wire-own" };
    expect(await perform(at, create, fields)).toEqual({ kind: "done" });
    expect(valueOf(await at.fly.getApp("kc-wire-own"))).toMatchObject({ network: "kc-wire-own" });
    expect(await perform(at, create, fields)).toEqual({ kind: "app_taken" });
    for (const type of ["shared_v4", "v6"] as const) {
      expect(await perform(at, { kind: "assign_address", type }, fields)).toEqual({ kind: "done" });
    }
    expect(await perform(at, { kind: "set_secret" }, fields)).toEqual({
      kind: "secret_set",
      version: expect.any(Number),
    });
    expect(await perform(at, { kind: "delete_app" }, fields)).toEqual({ kind: "done" });
  });
});

describe("settings that a controller is given", () => {
  const apply: Step = { kind: "apply_settings", id: "m1", instanceId: "i1", generation: 1 };
  const state = record({ generationBase: 1_000 });
  const nowhere = createFlyClient({
    baseUrl: "http://127.0.0.1:1",
    token: "none",
    rateLimits: false,
    onCall: () => undefined,
  });
  const wanted = { generation: 1_001, how: "hot", inEffect: true } as const;

  /** What comes of it when the controller says this. */
  async function given(said: ControllerAnswer<EnvApplied>, isAborted = false): Promise<Outcome> {
    const controller = controllerThatTakes(async () => said);
    const call = await prepare(state, apply, { ...PORTS, fly: nowhere, controller });
    return call(isAborted ? AbortSignal.abort("over") : new AbortController().signal);
  }

  it("are in effect, or not, as it says of this generation, and of no other", async () => {
    expect(await given({ kind: "answered", value: wanted })).toEqual({
      kind: "settings_taken",
      how: "hot",
      isInEffect: true,
    });
    expect(await given({ kind: "answered", value: { ...wanted, inEffect: false } })).toMatchObject({
      isInEffect: false,
    });
    expect(await given({ kind: "answered", value: { ...wanted, generation: 1_000 } })).toMatchObject({
      kind: "unanswered",
    });
  });

  it.each([
    ["an older one", { kind: "unknown_route" }, "settings_refused"],
    [
      "one that has newer ones",
      { kind: "refused", status: 409, code: "stale_generation" },
      "settings_refused",
    ],
    [
      "one that can't read them",
      { kind: "refused", status: 400, code: "invalid_request" },
      "settings_refused",
    ],
    ["one that starts", { kind: "refused", status: 503, code: "starting" }, "unanswered"],
    ["a silent one", { kind: "silent", why: "it could not be reached" }, "unanswered"],
    ["one that says what nobody can read", { kind: "unreadable" }, "unanswered"],
  ] as const)("by %s are told apart by whether another try may help", async (_which, said, kind) => {
    expect(await given(said)).toMatchObject({ kind });
  });

  it("were interrupted where nobody waited for the answer", async () => {
    expect(await given({ kind: "silent", why: "it could not be reached" }, true)).toEqual({
      kind: "interrupted",
    });
  });
});
