import { describe, expect, it } from "vitest";
import type { FlyClient } from "../fly/client.ts";
import { type AppAtFly, appAtFly, type Fault, valueOf } from "./testing/app-at-fly.ts";
import { keeperStage, portsIn, type Row } from "./testing/keeper-stage.ts";
import { SECOND_MS } from "./testing/records.ts";

const absentRow = (): Row => ({ kind: "absent" });

/** A provisioned instance in an app of its own, whose calls to Fly go through `through`. */
async function provisioned(name: string, through: (at: AppAtFly) => Partial<FlyClient> = () => ({})) {
  const at = await appAtFly(name);
  const ports = portsIn(at);
  const { userId } = at.record();
  const made = keeperStage(userId, absentRow, { ...ports, fly: { ...ports.fly, ...through(at) } });
  await made.keeper.provision({ userId });
  return { at, made, userId };
}

/** Calls after the first `skipped`, by method and path; what a path asks for is left out. */
async function callsOf({ calls }: AppAtFly, skipped = 0): Promise<string[]> {
  return (await calls()).slice(skipped).map(({ method, path }) => `${method} ${path.replace(/\?.*/, "")}`);
}

const passing = (made: { clock: { sleep(ms: number, signal: AbortSignal): Promise<void> } }, ms: number) =>
  made.clock.sleep(ms, new AbortController().signal);

describe("a look that Fly answers with 429 and Retry-After", () => {
  const tooMany: Fault = {
    action: "machine_get",
    effect: { kind: "rate_limited", retryAfterSeconds: 30 },
  };

  it("is told as fly_busy, and not repeated before that", async () => {
    const { at, made, userId } = await provisioned("told-busy");
    expect(await made.keeper.start(userId)).toEqual({ kind: "settled", status: "running" });
    const before = (await at.calls()).length;
    const since = made.clock.now();
    await at.fault(tooMany);
    await made.keeper.doubt();
    const look = `GET /machines/${made.state()?.machine?.id}`;
    expect(await callsOf(at, before)).toEqual([look]);
    const nextTryAt = since + 30 * SECOND_MS;
    expect(made.state()?.lastError).toMatchObject({ code: "fly_busy", nextTryAt });
    expect(made.state()?.status).toBe("running");
    expect(made.alarmAt()).toBeGreaterThanOrEqual(nextTryAt);

    await passing(made, 20 * SECOND_MS);
    await made.keeper.doubt();
    expect(await callsOf(at, before)).toEqual([look]);
    await passing(made, nextTryAt - made.clock.now());
    await made.keeper.alarm();
    expect(await callsOf(at, before)).toEqual([look, look]);
    expect(made.state()?.lastError).toBeNull();
    await made.keeper.destroy(userId);
  });

  it("keeps nobody waiting who asked for something, and is asked again for who asks anew", async () => {
    const { at, made, userId } = await provisioned("told-asked");
    await made.keeper.start(userId);
    await at.fault(tooMany);
    const since = made.clock.now();
    expect(await made.keeper.stop(userId)).toMatchObject({
      kind: "hindered",
      status: "stopping",
      code: "fly_busy",
      nextTryAt: since + 30 * SECOND_MS,
    });
    expect(made.clock.now()).toBe(since);
    expect(await made.keeper.stop(userId)).toEqual({ kind: "settled", status: "stopped" });
    await made.keeper.destroy(userId);
  });
});

describe("a create that is refused for a volume that Fly shows", () => {
  const missing = (times: number): Fault => ({
    action: "machine_create",
    effect: { kind: "error", status: 400, body: { error: "volume does not exist" } },
    times,
  });

  it("is looked into once more, told meanwhile, and then made", async () => {
    const { at, made, userId } = await provisioned("told-missing");
    await at.fault(missing(1));
    const before = (await at.calls()).length;
    expect(await made.keeper.start(userId)).toEqual({ kind: "settled", status: "running" });
    const look = `GET /volumes/${made.state()?.volume?.id}`;
    const create = "POST /machines";
    expect((await callsOf(at, before)).filter((call) => call === look || call === create)).toEqual([
      look,
      create,
      look,
      create,
    ]);
    expect(made.whatOf("problem")).toEqual(["volume_missing"]);
    expect(made.state()?.lastError).toBeNull();
    expect(made.warnings).toEqual([]);
    await made.keeper.destroy(userId);
  });

  it("is told to whoever waits when it goes on, and no other volume takes its place", async () => {
    const { at, made, userId } = await provisioned("told-missing-on");
    const { volume } = made.state() ?? {};
    await at.fault(missing(100));
    expect(await made.keeper.start(userId)).toMatchObject({
      kind: "hindered",
      status: "starting",
      code: "volume_missing",
    });
    for (let ring = 0; ring < 5; ring += 1) {
      await passing(made, Math.max(0, (made.alarmAt() ?? 0) - made.clock.now()));
      await made.keeper.alarm();
    }
    expect(made.state()).toMatchObject({ lastError: { code: "volume_missing" }, volume: { id: volume?.id } });
    expect(valueOf(await at.fly.findVolumes(at.app, "kc_volume"))).toHaveLength(1);
    expect(made.warnings).toEqual([]);
    await made.keeper.destroy(userId);
  });
});

it("makes the machine where its volume or its copy is, though no answer tells the region", async () => {
  const { at, made, userId } = await provisioned("told-nowhere", ({ fly }) => ({
    async getVolume(app, id) {
      const answer = await fly.getVolume(app, id);
      return answer.ok ? { ...answer, value: { ...answer.value, region: undefined } } : answer;
    },
  }));
  const regionOfMachine = async () =>
    valueOf(await at.fly.getMachine(at.app, made.state()?.machine?.id ?? "")).region;
  await at.fault({ action: "machine_create", effect: { kind: "no_capacity" } });
  expect(await made.keeper.start(userId)).toEqual({ kind: "settled", status: "running" });
  expect(made.whatOf("step")).toContain("create_candidate");
  expect(await regionOfMachine()).toBe("fra");
  expect(made.state()?.volume?.region).toBe("fra");

  await at.happen({ kind: "machine_lost", machine: made.state()?.machine?.id });
  expect(await made.keeper.repair(userId)).toEqual({ kind: "settled", status: "running" });
  expect(await regionOfMachine()).toBe("fra");
  await made.keeper.destroy(userId);
});

it("keeps through an update what a person set by hand: size, metadata, and options of the mount", async () => {
  const { at, made, userId } = await provisioned("told-by-hand");
  const volume = made.state()?.volume?.id ?? "";
  const guest = { cpu_kind: "performance", cpus: 32, memory_mb: 65_536 };
  const mountOptions = { extend_threshold_percent: 80, add_size_gb: 5, size_gb_limit: 100 };
  const id = await at.machine({ volume, guest, mountOptions, metadata: { team: "blue" } });
  expect(await made.keeper.start(userId)).toEqual({ kind: "settled", status: "running" });
  expect(await made.keeper.restart(userId)).toEqual({ kind: "settled", status: "running" });
  expect(made.whatOf("step")).toContain("update_machine");
  expect(made.state()?.machine?.id).toBe(id);
  expect(valueOf(await at.fly.getMachine(at.app, id)).config).toMatchObject({
    guest,
    mounts: [{ volume, path: "/root", ...mountOptions }],
    metadata: {
      team: "blue",
      kiloclaw_user_id: userId,
      kiloclaw_generation: String(made.state()?.generation),
    },
  });
  await made.keeper.destroy(userId);
});
