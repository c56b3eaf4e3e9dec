import { describe, expect, it } from "vitest";
import type { Health } from "../gateway/health.ts";
import type { Observation } from "./observation.ts";
import { observe } from "./observe.ts";
import type { InstanceState } from "./state.ts";
import { type AppAtFly, appAtFly, valueOf } from "./testing/app-at-fly.ts";
import {
  knownMachine,
  knownVolume,
  leftover,
  openCreate,
  ownAppAt,
  recovery,
  snapshot,
} from "./testing/records.ts";

const health = async (): Promise<Health> => ({ kind: "answered", state: "ready", stage: "gateway" });

/** What a pass sees, and by which calls. */
async function see(at: AppAtFly, fields: Partial<InstanceState>, now = Date.now()) {
  const before = (await at.calls()).length;
  const seen = await observe(at.record(fields), { fly: at.fly, health }, now);
  const calls = (await at.calls()).slice(before);
  return { seen, paths: calls.map(({ path }) => path.replace(/\?.*/, "")) };
}

/** A machine on a volume, as the record of an instance that runs knows them. */
async function running(name: string) {
  const at = await appAtFly(name);
  const volumeId = await at.volume();
  const machineId = await at.machine({ volume: volumeId });
  const known: Partial<InstanceState> = {
    intent: "running",
    status: "running",
    machine: { ...knownMachine, id: machineId },
    volume: { ...knownVolume, id: volumeId },
  };
  return { at, machineId, volumeId, known };
}

const kindsOf = ({ app, machine, volume, candidate, gateway, leftover: left, inventory }: Observation) => ({
  app: app.kind,
  machine: machine.kind,
  volume: volume.kind,
  candidate: candidate.kind,
  gateway: gateway.kind,
  leftover: left.kind,
  inventory: inventory.kind,
});
const nothing = {
  app: "none",
  machine: "none",
  volume: "none",
  candidate: "none",
  gateway: "none",
  leftover: "none",
  inventory: "none",
};

describe("asks for just what the next decision can depend on", () => {
  it("of an instance that runs: its machine, and its gateway", async () => {
    const { at, machineId, known } = await running("ask-running");
    const { seen, paths } = await see(at, known);
    expect(kindsOf(seen)).toEqual({ ...nothing, machine: "present", gateway: "ready" });
    expect(paths).toEqual([`/machines/${machineId}`]);
  });

  it("of one that is stopped: its machine, or its volume where there is none", async () => {
    const { at, machineId, volumeId, known } = await running("ask-stopped");
    expect((await see(at, { ...known, intent: "stopped" })).paths).toEqual([`/machines/${machineId}`]);
    await at.happen({ kind: "machine_lost", machine: machineId });
    const { paths } = await see(at, { ...known, intent: "stopped", machine: null });
    expect(paths).toEqual([`/volumes/${volumeId}`]);
  });

  it("of one whose last try failed a moment ago: nothing", async () => {
    const { at, known } = await running("ask-pause");
    const { seen, paths } = await see(at, { ...known, retryAt: Date.now() + 60_000 });
    expect([kindsOf(seen), paths]).toEqual([nothing, []]);
  });

  it("of one that is at rest: once more everything that there is, when that is due", async () => {
    const { at, known } = await running("ask-again");
    const due = await see(at, { ...known, inventoryAt: Date.now() });
    expect(kindsOf(due.seen)).toEqual({
      ...nothing,
      machine: "present",
      gateway: "ready",
      inventory: "seen",
    });
    const later = await see(at, { ...known, inventoryAt: Date.now() + 60_000 });
    expect(later.seen.inventory).toEqual({ kind: "none" });
  });

  it("of one whose ids were lost: everything that there is", async () => {
    const { at, machineId, volumeId } = await running("ask-lost");
    const { seen } = await see(at, { recovery: recovery() });
    expect(kindsOf(seen)).toEqual({ ...nothing, inventory: "seen" });
    expect(seen.inventory).toMatchObject({ machines: [{ id: machineId }], volumes: [{ id: volumeId }] });
  });

  it("of one that is to go: what else there is only when machine, volume and leftovers are gone", async () => {
    const { at, machineId, volumeId, known } = await running("ask-doomed");
    const doomed = { ...known, intent: "destroyed" } as const;
    expect(kindsOf((await see(at, doomed)).seen)).toEqual({ ...nothing, machine: "present" });
    valueOf(await at.fly.destroyMachine(at.app, machineId));
    await at.fly.waitForMachine(at.app, machineId, "destroyed", "", 10, new AbortController().signal);
    expect(kindsOf((await see(at, doomed)).seen)).toEqual({
      ...nothing,
      machine: "absent",
      volume: "present",
    });
    valueOf(await at.fly.deleteVolume(at.app, volumeId));
    expect(kindsOf((await see(at, doomed)).seen)).toMatchObject({ volume: "absent", inventory: "seen" });
    const withLeftover = { ...doomed, leftovers: [leftover({ retryAt: 0 })] };
    expect(kindsOf((await see(at, withLeftover)).seen)).toMatchObject({
      leftover: "absent",
      inventory: "none",
    });
  });

  it("of one that is ready: the leftover that is due", async () => {
    const { at, known } = await running("ask-leftover");
    const spare = await at.volume("kc_spare");
    const due = leftover({ id: spare, whenReady: true, notBefore: 0, retryAt: 0 });
    const { seen } = await see(at, { ...known, leftovers: [due] });
    expect(seen.leftover).toEqual({ kind: "present", id: spare });
    const later = { ...due, retryAt: Date.now() + 60_000 };
    expect((await see(at, { ...known, leftovers: [later] })).seen.leftover).toEqual({ kind: "none" });
  });
});

describe("a create whose answer was lost", () => {
  it("of a machine is looked for by its name, among what carries the metadata", async () => {
    const { at, machineId, known } = await running("open-machine");
    const creating = openCreate("machine", { name: "sandbox-open-machine" });
    const { seen } = await see(at, { ...known, machine: null, creating });
    expect(seen.machine).toMatchObject({ kind: "present", id: machineId, ours: true });
    const other = await see(at, { ...known, machine: null, creating: { ...creating, name: "r_later" } });
    expect(other.seen.machine).toEqual({ kind: "absent" });
  });

  it("of a machine is known to be there when only the look at it failed", async () => {
    const { at, known } = await running("open-unseen");
    const creating = openCreate("machine", { name: "sandbox-open-unseen" });
    const effect = { kind: "error", status: 503, body: { error: "unavailable" } };
    await at.fault({ action: "machine_get", effect });
    const { seen } = await see(at, { ...known, machine: null, creating });
    expect(seen.machine).toMatchObject({ kind: "unknown", isThere: true, retryAfterMs: null });
  });

  it("of a copy is looked for among what is not known and not older than the create", async () => {
    const { at, known } = await running("open-copy");
    const copy = await at.volume();
    const creating = (sentAt: number) => openCreate("candidate", { name: "kc_volume", sentAt });
    const asked = { ...known, machine: null, status: "starting" } as const;
    const fresh = await see(at, { ...asked, creating: creating(Date.now()) });
    expect(fresh.seen.candidate).toMatchObject({ kind: "present", id: copy });
    const later = await see(at, { ...asked, creating: creating(Date.now() + 3_600_000) });
    expect(later.seen.candidate).toMatchObject({ kind: "absent" });
  });
});

describe("the volume", () => {
  const unknownTo = { machine: null, volume: null, status: "starting" } as const;

  it("is found by its name: the one that a machine has, else the newest", async () => {
    const { at, volumeId, known } = await running("volume-named");
    await at.volume();
    const { seen } = await see(at, { ...known, ...unknownTo });
    expect(seen.volume).toMatchObject({ kind: "present", id: volumeId });
  });

  it("is gone only where none of its name is there, and brings the newest snapshot of the one that is gone", async () => {
    const { at, machineId, volumeId, known } = await running("volume-gone");
    await at.happen({ kind: "snapshot", volume: volumeId });
    await at.happen({ kind: "machine_lost", machine: machineId });
    await at.happen({ kind: "volume_lost", volume: volumeId });
    const lost = await see(at, { ...known, machine: null });
    expect(lost.seen.volume).toEqual({
      kind: "absent",
      snapshot: { id: expect.any(String), createdAt: expect.any(String), at: expect.any(Number) },
      former: null,
    });
    // An empty one of its name is nothing that could take its place; one with data is.
    const another = await at.volume();
    expect((await see(at, { ...known, machine: null })).seen.volume).toMatchObject({ kind: "absent" });
    await at.machine({ volume: another });
    expect((await see(at, { ...known, machine: null })).seen.volume).toMatchObject({ id: another });
  });

  it("that was a copy is gone with a look at the one that it was a copy of, while that is kept", async () => {
    const { at, machineId, volumeId, known } = await running("volume-former");
    const former = await at.volume();
    await at.happen({ kind: "machine_lost", machine: machineId });
    await at.happen({ kind: "volume_lost", volume: volumeId });
    const leftovers = [leftover({ id: former, whenReady: true })];
    const { seen } = await see(at, { ...known, machine: null, leftovers });
    expect(seen.volume).toMatchObject({ kind: "absent", former: { id: former } });
  });

  it("tells who holds it, where a machine is to be made on it", async () => {
    const { at, machineId, known } = await running("volume-held");
    const holderOf = async (fields: Partial<InstanceState>) => {
      const { seen } = await see(at, { ...known, machine: null, ...fields });
      return seen.volume.kind === "present" ? seen.volume.holder : undefined;
    };
    expect(await holderOf({})).toEqual({ id: machineId, is: "ours" });
    expect(await holderOf({ userId: "another" })).toEqual({ id: machineId, is: "stranger" });
    const givenUp = [leftover({ kind: "machine", id: machineId, retryAt: Number.MAX_SAFE_INTEGER })];
    expect(await holderOf({ leftovers: givenUp })).toEqual({ id: machineId, is: "given_up" });
    const effect = { kind: "error", status: 500, body: { error: "oops" } };
    await at.fault({ action: "machine_get", effect });
    // Whether a machine of ours is on it is not known, so nothing is known of what it may be used for.
    const { seen } = await see(at, { ...known, machine: null });
    expect(seen.volume).toMatchObject({ kind: "unknown", isThere: true });
  });

  it("on a host that is away is seen with what can be restored, and so is its machine", async () => {
    const { at, machineId, volumeId, known } = await running("volume-away");
    await at.happen({ kind: "snapshot", volume: volumeId });
    await at.happen({ kind: "host_down", machine: machineId });
    const { seen } = await see(at, known);
    expect(seen.machine).toEqual({ kind: "unreachable", id: machineId });
    expect(seen.volume).toMatchObject({
      isReachable: false,
      snapshot: {
        ...snapshot,
        id: expect.any(String),
        createdAt: expect.any(String),
        at: expect.any(Number),
      },
    });
    await at.happen({ kind: "host_up", machine: machineId });
  });
});

describe("an app of the tenant's own", () => {
  const ownApp = ownAppAt("created", { orgSlug: "personal" });

  it("is seen with the addresses that it has", async () => {
    const at = await appAtFly("app-addresses");
    const seeApp = async () => (await see(at, { intent: "running", ownApp })).seen.app;
    expect(await seeApp()).toEqual({ kind: "ours", hasV4: false, hasV6: false });
    valueOf(await at.fly.assignAddress(at.app, "shared_v4"));
    valueOf(await at.fly.assignAddress(at.app, "v6"));
    expect(await seeApp()).toEqual({ kind: "ours", hasV4: true, hasV6: true });
  });

  it("is a stranger's when another organization has it, or its network is not its own", async () => {
    const at = await appAtFly("app-foreign");
    const other = await see(at, { intent: "running", ownApp: { ...ownApp, orgSlug: "another" } });
    expect(other.seen.app).toEqual({ kind: "stranger" });
    valueOf(
      await at.fly.createApp({ name: "kc-wire-shared-network", org_slug: "personal", network: "default" }),
    );
    const shared = await see(at, { intent: "running", ownApp, appName: "kc-wire-shared-network" });
    expect(shared.seen.app).toEqual({ kind: "stranger" });
    await at.happen({ kind: "foreign_app", app: at.app });
    expect((await see(at, { intent: "running", ownApp })).seen.app).toEqual({ kind: "stranger" });
  });

  it("is absent where none has the name, and is not asked for before it was ever made", async () => {
    const at = await appAtFly("app-none");
    const appName = "kc-wire-none-has-this";
    const seeApp = async (fields: Partial<InstanceState>) =>
      (await see(at, { intent: "running", appName, ...fields })).seen.app;
    expect(await seeApp({ ownApp })).toEqual({ kind: "absent" });
    const wanted = ownAppAt("wanted", { orgSlug: "personal" });
    expect(await seeApp({ ownApp: wanted })).toEqual({ kind: "none" });
    expect(await seeApp({ ownApp: wanted, creating: openCreate("app") })).toEqual({ kind: "absent" });
  });
});
