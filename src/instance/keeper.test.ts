import { describe, expect, it } from "vitest";
import { controllerThatTakes } from "./testing/controller.ts";
import { flyAt, keeperStage, localFly, type Row, rowOf } from "./testing/keeper-stage.ts";
import { MINUTE_MS, NOW, SECOND_MS } from "./testing/records.ts";

const absentRow = (): Row => ({ kind: "absent" });
const unavailable = (): Row => ({ kind: "unavailable" });
const unreachableFly = flyAt("http://127.0.0.1:1");

const OPERATIONS = ["start", "stop", "restart", "destroy", "repair"] as const;

describe("without a record", () => {
  it.each(OPERATIONS)("refuses to %s what the registry does not know", async (operation) => {
    const { keeper, state, alarmAt } = keeperStage("unknown", absentRow, { fly: unreachableFly });
    expect(await keeper[operation]("unknown")).toEqual({ kind: "not_provisioned" });
    expect([state(), alarmAt()]).toEqual([null, null]);
  });

  it.each(OPERATIONS)(
    "does not %s while the registry can't be asked, and changes nothing",
    async (operation) => {
      const { keeper, state, alarmAt } = keeperStage("unasked", unavailable, { fly: unreachableFly });
      expect(await keeper[operation]("unasked")).toEqual({ kind: "registry_unreachable" });
      expect([state(), alarmAt()]).toEqual([null, null]);
    },
  );

  it("provisions nothing while the registry can't be asked, since there may be an instance", async () => {
    const { keeper, state } = keeperStage("unasked", unavailable, { fly: unreachableFly });
    expect(await keeper.provision({ userId: "unasked" })).toEqual({ kind: "registry_unreachable" });
    expect(state()).toBeNull();
  });

  it("provisions anew for a user whom the registry has had for two minutes at most", async () => {
    for (const [ageMs, isNew] of [
      [119 * SECOND_MS, true],
      [120 * SECOND_MS, false],
    ] as const) {
      const userId = `row-${ageMs}`;
      // Fly can't be reached, so that the record stays as it was begun.
      const { keeper, state } = keeperStage(userId, () => rowOf(userId, ageMs), { fly: unreachableFly });
      await keeper.provision({ userId });
      expect(state()?.recovery === null).toBe(isNew);
    }
  });

  it.each(["absent", "unavailable"] as const)("restores nothing from a registry that is %s", async (kind) => {
    const { keeper, state, alarmAt } = keeperStage("nothing", () => ({ kind }), { fly: unreachableFly });
    await keeper.restore("nothing");
    expect([state(), alarmAt()]).toEqual([null, null]);
  });

  it("restores for a request by what the registry says, and rings at once", async () => {
    const { keeper, state, alarmAt, clock } = keeperStage("asked-for", () => rowOf("asked-for"));
    await keeper.restore("asked-for");
    expect(state()).toMatchObject({
      userId: "asked-for",
      sandboxId: "keeper-asked-for",
      recovery: { adoptsIntent: true },
    });
    expect(alarmAt()).toBe(clock.now());
    const before = state();
    await keeper.restore("asked-for");
    expect(state()).toBe(before);
  });
});

/** An instance that runs, and whose object forgot it. */
async function forgotten(userId: string) {
  let row = absentRow();
  const made = keeperStage(userId, () => row);
  await made.keeper.provision({ userId, envVars: { GREETING: "hello" } });
  expect(await made.keeper.start(userId)).toMatchObject({ kind: "settled", status: "running" });
  row = rowOf(userId);
  made.wipe();
  return made;
}

describe("with a record that was lost", () => {
  it("starts again what runs, as the same machine with the same settings", async () => {
    const made = await forgotten("lost-start");
    const [machine] = await made.machines();
    expect(await made.keeper.start("lost-start")).toEqual({ kind: "settled", status: "running" });
    expect(made.state()).toMatchObject({ recovery: null, machine: { id: machine?.id }, intent: "running" });
    expect(await made.machines()).toHaveLength(1);
    await made.keeper.destroy("lost-start");
  });

  it("runs one effort for two wishes at once, and the later one stands", async () => {
    const made = await forgotten("lost-twice");
    const [first, second] = await Promise.all([
      made.keeper.start("lost-twice"),
      made.keeper.stop("lost-twice"),
    ]);
    expect([first, second]).toEqual([
      { kind: "settled", status: "stopped" },
      { kind: "settled", status: "stopped" },
    ]);
    expect(made.state()).toMatchObject({ intent: "stopped", epoch: 3 });
    expect(await made.machines()).toMatchObject([{ state: "stopped" }]);
    expect(made.whatOf("step").filter((step) => step === "recover")).toHaveLength(1);
    await made.keeper.destroy("lost-twice");
  });

  it("repairs by doing what the machine does, and changes nothing about it", async () => {
    const made = await forgotten("lost-repair");
    expect(await made.keeper.repair("lost-repair")).toEqual({ kind: "settled", status: "running" });
    expect(made.state()).toMatchObject({ intent: "running", settings: { envVars: { GREETING: "hello" } } });
    await made.keeper.destroy("lost-repair");
  });

  it("destroys everything, and keeps the record until lists were looked at for long enough", async () => {
    const made = await forgotten("lost-destroy");
    expect(await made.keeper.destroy("lost-destroy")).toEqual({ kind: "under_way", status: "destroying" });
    expect(await made.machines()).toEqual([]);
    await made.keeper.alarm();
    expect(made.state()).toBeNull();
    expect(made.clock.now()).toBeGreaterThanOrEqual(NOW + 40 * SECOND_MS);
  });

  it("creates nothing while a look for what exists is inconclusive", async () => {
    const made = keeperStage("lost-blind", () => rowOf("lost-blind"), { fly: unreachableFly });
    expect(await made.keeper.start("lost-blind")).toMatchObject({
      kind: "hindered",
      code: "fly_unreachable",
    });
    expect(made.state()).toMatchObject({ recovery: { empty: null }, machine: null, volume: null });
    expect(made.whatOf("step")).toEqual([]);
  });
});

describe("destroying by force", () => {
  const silence = {
    ok: false,
    error: { kind: "unknown_outcome", status: 503, requestId: null, message: "silence" },
  } as const;

  const stuck = async (userId: string) => {
    const fly = { ...localFly, deleteVolume: async () => silence };
    const made = keeperStage(userId, absentRow, { fly });
    await made.keeper.provision({ userId });
    return { ...made, volumeId: made.state()?.volume?.id ?? "" };
  };

  it("forgets what Fly keeps only of a destroy that is under way, and tells the operator what that is", async () => {
    const made = await stuck("force");
    expect(await made.keeper.destroy("force", { force: true })).toMatchObject({ status: "destroying" });
    expect(made.state()).toMatchObject({ intent: "destroyed" });
    expect(made.warnings).toEqual([]);

    expect(await made.keeper.destroy("force", { force: true })).toEqual({
      kind: "settled",
      status: "destroying",
    });
    expect([made.state(), made.alarmAt()]).toEqual([null, null]);
    expect(made.warnings).toEqual([{ what: "forgotten", why: expect.stringContaining(made.volumeId) }]);
    await localFly.deleteVolume("kiloclaw-test", made.volumeId);
  });

  it("goes on without force for as long as it takes", async () => {
    const made = await stuck("no-force");
    await made.keeper.destroy("no-force");
    await made.keeper.destroy("no-force", { force: false });
    expect(made.state()).toMatchObject({ intent: "destroyed", status: "destroying" });
    expect(made.alarmAt()).toBeGreaterThan(made.clock.now());
    await localFly.deleteVolume("kiloclaw-test", made.volumeId);
  });
});

describe("the wishes of a user", () => {
  it("make a new generation of a start only where something changed since the machine was made", async () => {
    const made = keeperStage("generations", absentRow);
    const generation = () => made.state()?.generation;
    await made.keeper.provision({ userId: "generations" });
    await made.keeper.start("generations");
    expect(generation()).toBe(1);
    await made.keeper.start("generations");
    await made.keeper.stop("generations");
    await made.keeper.start("generations");
    expect(generation()).toBe(1);
    await made.keeper.provision({ userId: "generations", kilocodeDefaultModel: "some/model" });
    expect(generation()).toBe(2);
    await made.keeper.provision({ userId: "generations", kilocodeDefaultModel: "some/model" });
    expect(generation()).toBe(2);
    await made.keeper.restart("generations");
    expect(generation()).toBe(3);
    await made.keeper.destroy("generations");
    expect(made.state()).toBeNull();
  });

  it("end the cooldowns that only protect Fly from repetition", async () => {
    const made = keeperStage("cooldowns", absentRow, { fly: unreachableFly });
    await made.keeper.provision({ userId: "cooldowns" });
    expect(made.state()).toMatchObject({ retryAt: expect.any(Number) });
    const failures = made.state()?.failures ?? 0;
    expect(failures).toBeGreaterThan(0);
    const at = made.clock.now();
    await made.keeper.repair("cooldowns");
    const problems = made.events.filter((event) => event.kind === "problem").map((event) => event.at);
    // It was met again at once, and not after the pause.
    expect(problems).toContain(at);
  });

  it("do not wait for a machine that is slow, but answer how far it is", async () => {
    const health = async () => ({ kind: "answered", state: "starting", stage: "gateway" }) as const;
    const made = keeperStage("slow", absentRow, { health });
    await made.keeper.provision({ userId: "slow" });
    const at = made.clock.now();
    expect(await made.keeper.start("slow")).toEqual({ kind: "under_way", status: "starting" });
    expect(made.clock.now() - at).toBe(25 * SECOND_MS);
    expect(made.alarmAt()).toBeLessThanOrEqual(made.clock.now() + MINUTE_MS);
    await made.keeper.destroy("slow");
  });

  it("are all refused but one while it is being destroyed", async () => {
    const made = keeperStage("doomed", absentRow);
    await made.keeper.provision({ userId: "doomed" });
    const destroyed = made.keeper.destroy("doomed");
    for (const operation of ["start", "stop", "restart"] as const) {
      expect(await made.keeper[operation]("doomed")).toEqual({ kind: "destroying" });
    }
    expect(await made.keeper.provision({ userId: "doomed" })).toEqual({ kind: "destroying" });
    expect(await destroyed).toEqual({ kind: "settled", status: "destroying" });
    expect(await localFly.findVolumes("kiloclaw-test", "kc_doomed")).toEqual({ ok: true, value: [] });
  });
});

describe("settings that a controller is slow to take", () => {
  /** An instance that runs; `asked` resolves when its controller has new settings, of which it never says anything. */
  async function slow(userId: string) {
    let hasAsked = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      hasAsked = resolve;
    });
    const controller = controllerThatTakes((signal) => {
      hasAsked();
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve({ kind: "silent", why: "it could not be reached" }));
      });
    });
    const made = keeperStage(userId, absentRow, { controller });
    await made.keeper.provision({ userId });
    expect(await made.keeper.start(userId)).toEqual({ kind: "settled", status: "running" });
    return { ...made, asked };
  }

  it("leave the instance running, and the operation under way", async () => {
    const made = await slow("slow-settings");
    expect(
      await made.keeper.provision({ userId: "slow-settings", kilocodeDefaultModel: "some/model" }),
    ).toMatchObject({ status: "running" });
    expect(made.state()).toMatchObject({
      status: "running",
      applying: { generation: 2, tries: 1 },
      applied: null,
    });
    await made.keeper.destroy("slow-settings");
  });

  it("keep no newer wish waiting, and are not counted as refused for that", async () => {
    const made = await slow("slow-stop");
    const changed = made.keeper.provision({ userId: "slow-stop", kilocodeDefaultModel: "some/model" });
    await made.asked;
    expect(await made.keeper.stop("slow-stop")).toEqual({ kind: "settled", status: "stopped" });
    await changed;
    expect(made.state()).toMatchObject({ applying: null, applied: null, generation: 2 });
    const steps = made.events.filter(({ what }) => what === "apply_settings");
    expect(steps.map(({ outcome }) => outcome)).toEqual(["a newer wish came first"]);
    await made.keeper.destroy("slow-stop");
  });
});

it("arms the alarm before it asks anything of Fly, in case the operation is cut off", async () => {
  const armed: (number | null)[] = [];
  const findVolumes: typeof localFly.findVolumes = (app, name) => {
    armed.push(made.alarmAt());
    return localFly.findVolumes(app, name);
  };
  const made = keeperStage("armed", absentRow, { fly: { ...localFly, findVolumes } });
  await made.keeper.provision({ userId: "armed" });
  expect(armed[0]).toBe(NOW + 5 * SECOND_MS);
  await made.keeper.destroy("armed");
});
