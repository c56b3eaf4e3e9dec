import { describe, expect, it } from "vitest";
import { createFlyClient } from "../fly/client.ts";
import type { FlyMachine } from "../fly/schemas.ts";
import { lookAtMachine, lookAtVolume } from "./look.ts";
import { machineNameOf } from "./names.ts";
import type { InstanceState } from "./state.ts";
import { appAtFly, valueOf } from "./testing/app-at-fly.ts";
import { knownCandidate, knownMachine, knownVolume, record } from "./testing/records.ts";

const metadata = { kiloclaw_user_id: "user-1", kiloclaw_sandbox_id: "dXNlci0x", kiloclaw_generation: "3" };
const unreachableFly = createFlyClient({
  baseUrl: "http://127.0.0.1:1",
  token: "none",
  rateLimits: false,
  onCall: () => undefined,
});

/** What is seen of a machine that Fly answers like this; nothing else can be asked. It was not compared before. */
function seenOf(answer: Partial<FlyMachine>, fields: Partial<InstanceState> = {}) {
  const value = { id: "m1", name: "dXNlci0x", state: "started", config: { metadata }, ...answer };
  const fly = { ...unreachableFly, getMachine: async () => ({ ok: true as const, value }) };
  const machine = { ...knownMachine, verified: false };
  return lookAtMachine(record({ machine, ...fields }), fly, "m1");
}

it("knows this tenant's machine by its metadata and its name, neither of which is enough", async () => {
  expect(await seenOf({})).toMatchObject({ kind: "present", phase: "up", ours: true, generation: 3 });
  for (const changed of [{ kiloclaw_user_id: "user-2" }, { kiloclaw_sandbox_id: "other" }]) {
    const config = { metadata: { ...metadata, ...changed } };
    expect(await seenOf({ config })).toMatchObject({ ours: false });
  }
  expect(await seenOf({ config: {} })).toMatchObject({ ours: false, generation: null });
  // A machine can give itself another's metadata, but not another's name.
  for (const name of ["c29tZWJvZHk", undefined, machineNameOf("bmVpZ2hib3Vy", 1)]) {
    expect(await seenOf({ name })).toMatchObject({ ours: false });
  }
});

it.each(["9007199254740991", "2000000001", "-1", "newest", ""])(
  "takes a generation that was never counted, %j, for none",
  async (written) => {
    const config = { metadata: { ...metadata, kiloclaw_generation: written } };
    expect(await seenOf({ config })).toMatchObject({ ours: true, generation: null });
  },
);

it("knows a machine by each name that it may have been given", async () => {
  const name = machineNameOf("dXNlci0x", 2);
  expect(await seenOf({ name }, { machineNames: 2 })).toMatchObject({ ours: true });
  expect(await seenOf({}, { machineNames: 2 })).toMatchObject({ ours: true });
});

it("knows the machine that it compared once, whatever that makes of its metadata since", async () => {
  const config = { metadata: { kiloclaw_user_id: "user-2" } };
  expect(await seenOf({ config }, { machine: knownMachine })).toMatchObject({ ours: true });
});

it("keeps metadata that others gave the machine, and a bounded part of it", async () => {
  const others = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`team_${n}`, "x"]));
  const seen = await seenOf({ config: { metadata: { ...metadata, ...others } } });
  if (seen.kind !== "present") throw new Error(seen.kind);
  expect(Object.keys(seen.metadata)).toHaveLength(32);
  expect(seen.metadata).not.toHaveProperty("kiloclaw_user_id");
});

it.each([
  ["whose configuration Fly does not tell", { config: null }],
  ["in a state that has no meaning here", { state: "hibernating" }],
])("takes a machine %s for unknown, and not for ours or gone", async (_what, answer) => {
  expect(await seenOf(answer)).toMatchObject({ kind: "unknown" });
});

it("believes nothing that Fly keeps of a machine whose host is gone, but its end", async () => {
  const answer = { host_status: "unreachable", config: null };
  expect(await seenOf(answer)).toEqual({ kind: "unreachable", id: "m1" });
  expect(await seenOf({ ...answer, state: "destroyed" })).toEqual({ kind: "absent" });
});

it("takes the configuration that a host in trouble left with Fly", async () => {
  const answer = { config: null, incomplete_config: { metadata }, host_status: "unknown" };
  expect(await seenOf(answer)).toMatchObject({ kind: "present", ours: true });
});

it("takes a destroyed machine for gone, with or without its configuration", async () => {
  expect(await seenOf({ state: "destroyed", config: null })).toEqual({ kind: "absent" });
});

it("tells why a machine went down, but not of a stop that was asked for", async () => {
  const exit = (exit_event: Record<string, unknown>) =>
    seenOf({ state: "stopped", events: [{ type: "exit", request: { exit_event } }] });
  expect(await exit({ oom_killed: true, exit_code: 137 })).toMatchObject({ exit: "it ran out of memory" });
  expect(await exit({ exit_code: 3 })).toMatchObject({ phase: "down", exit: "exit code 3" });
  expect(await exit({ exit_code: 0, requested_stop: true })).toMatchObject({ exit: null });
});

it("keeps what a person set of a machine by hand: its size, however large, and options of its mount", async () => {
  const guest = { cpu_kind: "performance", cpus: 32, memory_mb: 65_536 };
  const options = { extend_threshold_percent: 80, add_size_gb: 5, size_gb_limit: 100 };
  const mounts = [{ volume: "vol_1", path: "/root", ...options }];
  expect(await seenOf({ config: { metadata, guest, mounts } })).toMatchObject({
    size: { cpuKind: "performance", cpus: 32, memoryMb: 65_536 },
    mount: { volumeId: "vol_1", isRightPath: true, options },
  });
  const plain = { metadata, mounts: [{ volume: "vol_1", path: "/root", add_size_gb: 5 }] };
  expect(await seenOf({ config: plain })).toMatchObject({ mount: { options: { add_size_gb: 5 } } });
});

it("tells how long Fly asks for patience, and asks for none where Fly only fails", async () => {
  const { fly, record: of, machine, volume, fault } = await appAtFly("look-busy");
  const volumeId = await volume();
  const machineId = await machine({ volume: volumeId });
  const effect = { kind: "rate_limited", retryAfterSeconds: 30 };
  await fault({ action: "machine_get", effect }, { action: "volume_get", effect });
  const busy = { kind: "unknown", code: "fly_busy", retryAfterMs: 30_000 };
  expect(await lookAtMachine(of(), fly, machineId)).toMatchObject(busy);
  expect(await lookAtVolume(of(), fly, volumeId)).toMatchObject(busy);
  const failure = { kind: "error", status: 503, body: { error: "unavailable" } };
  await fault({ action: "machine_get", effect: failure });
  const failed = { kind: "unknown", code: "fly_unreachable", retryAfterMs: null };
  expect(await lookAtMachine(of(), fly, machineId)).toMatchObject(failed);
});

describe("a volume", () => {
  it("of which Fly does not tell the region is where it is known to be", async () => {
    const inFra = { volume: { ...knownVolume, region: "fra" }, candidate: knownCandidate };
    const regionOf = async (id: string, fields: Partial<InstanceState>) => {
      const fly = { ...unreachableFly, getVolume: async () => ({ ok: true as const, value: { id } }) };
      return lookAtVolume(record({ regions: ["ams"], ...fields }), fly, id);
    };
    expect(await regionOf("vol_1", inFra)).toMatchObject({ region: "fra" });
    expect(
      await regionOf("vol_2", { ...inFra, candidate: { ...knownCandidate, region: "cdg" } }),
    ).toMatchObject({ region: "cdg" });
    expect(await regionOf("vol_of_nobody", inFra)).toMatchObject({ region: "ams" });
  });

  it("has data from its first mount on, by the numbers of its blocks", async () => {
    const { fly, record: of, machine, volume } = await appAtFly("look-data");
    const id = await volume();
    expect(await lookAtVolume(of(), fly, id)).toMatchObject({ hasData: false, holder: null, region: "ams" });
    const machineId = await machine({ volume: id });
    expect(await lookAtVolume(of(), fly, id)).toMatchObject({ hasData: true, holder: { id: machineId } });
  });

  it("is gone when Fly does not know it, or is about to delete it", async () => {
    const { app, fly, record: of, volume } = await appAtFly("look-gone");
    const id = await volume();
    valueOf(await fly.deleteVolume(app, id));
    expect(await lookAtVolume(of(), fly, id)).toEqual({ kind: "absent" });
    expect(await lookAtVolume(of(), fly, "vol_of_nobody")).toEqual({ kind: "absent" });
  });

  it.each(["", "\0".repeat(14)])(
    "names no holder where Fly names it by what is no id (%j)",
    async (holder) => {
      const value = { id: "vol_1", state: "created", region: "ams", attached_machine_id: holder };
      const fly = { ...unreachableFly, getVolume: async () => ({ ok: true as const, value }) };
      expect(await lookAtVolume(record(), fly, "vol_1")).toMatchObject({ kind: "present", holder: null });
    },
  );

  it("on a host that is away brings its newest snapshot, and is unknown without an answer to that", async () => {
    const { fly, record: of, machine, volume, fault, happen } = await appAtFly("look-away");
    const id = await volume();
    await machine({ volume: id });
    await happen({ kind: "snapshot", volume: id, agoMs: 86_400_000 });
    await happen({ kind: "snapshot", volume: id, agoMs: 3_600_000 });
    await happen({ kind: "host_down", volume: id });
    const seen = await lookAtVolume(of(), fly, id);
    expect(seen).toMatchObject({ isReachable: false, snapshot: { id: expect.any(String) } });
    const at = seen.kind === "present" ? (seen.snapshot?.at ?? 0) : 0;
    expect(Math.abs(Date.now() - 3_600_000 - at)).toBeLessThan(60_000);
    await fault({ action: "snapshot_list", effect: { kind: "error", status: 500, body: { error: "oops" } } });
    expect(await lookAtVolume(of(), fly, id)).toMatchObject({ kind: "unknown" });
    await happen({ kind: "host_up", volume: id });
  });
});
