import type { InstanceState } from "../../../src/instance/state.ts";
import { readState } from "../../../src/instance/stored.ts";
import type { Answer } from "../cloud/answers.ts";
import type { Action, Call } from "../cloud/client.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { contains, isGone, type Machine, type Volume, type Writing } from "../cloud/model.ts";
import { Forgotten } from "./forgotten.ts";
import { type Forgot, SHARED_APP } from "./object.ts";

/** Of all calls within one minute of virtual time; a life that works makes a fraction of them. */
const CALLS_PER_MINUTE_MAX = 300;
/** The idle alarm, its tenth of jitter, and some. */
const ALARM_AHEAD_MS_MAX = 40 * 60_000;
const VIOLATIONS_MAX = 5;
/** What a pass saw may be this old when it acts on it: it looks again before it deletes on anything older. */
const KNOWN_MS_MAX = 6_000;

/** What a call of the client may do: look, make, bring up, or take away. */
const EFFECTS: Record<Action, "look" | "make" | "bring_up" | "place" | "take" | "wait"> = {
  getMachine: "look",
  findMachines: "look",
  waitForMachine: "wait",
  getVolume: "look",
  findVolumes: "look",
  listSnapshots: "look",
  getApp: "look",
  listAddresses: "look",
  createMachine: "bring_up",
  updateMachine: "bring_up",
  startMachine: "bring_up",
  stopMachine: "take",
  destroyMachine: "take",
  deleteVolume: "take",
  deleteApp: "take",
  createVolume: "make",
  createApp: "make",
  assignAddress: "make",
  setSecret: "make",
};

/** The safety of one life: what must hold after every call, every effect and every write. */
export class Watch {
  readonly violations: string[] = [];
  readonly #cloud: Cloud;
  readonly #sentAt: number[] = [];
  /** Deletions that were sent for an instance that was to go; they take effect even if its record is lost meanwhile. */
  readonly #wished = new WeakSet<object>();
  /** The volumes that there were when a deletion was sent, or a moment before: what is lost afterwards nobody could know. */
  readonly #volumesAtSend = new WeakMap<object, Volume[]>();
  #volumesBefore: Volume[] = [];
  readonly #forgotten: Forgotten;

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
    this.#forgotten = new Forgotten(cloud);
  }

  violate(what: string): void {
    if (this.violations.length < VIOLATIONS_MAX && !this.violations.includes(what))
      this.violations.push(what);
  }

  /** A call leaves the object, whose durable record is this. */
  sent(call: Call<unknown>, record: InstanceState | null): void {
    const { action } = call;
    this.#forgotten.sent(call);
    const now = this.#cloud.now;
    this.#sentAt.push(now);
    const early = this.#sentAt[this.#sentAt.length - 1 - CALLS_PER_MINUTE_MAX];
    if (early !== undefined && now - early < 60_000) this.violate("hot loop: too many calls within a minute");
    const effect = EFFECTS[action];
    if (record === null) {
      if (effect === "look" && this.#forgotten.isPassEnding) return;
      this.violate(`${action} was sent though there is no record`);
      return;
    }
    if (record.intent === "destroyed") this.#wished.add(call);
    if (action === "deleteVolume") this.#volumesAtSend.set(call, this.#volumesSince(now - KNOWN_MS_MAX));
    if (effect === "bring_up" && record.intent !== "running") {
      this.violate(`${action} was sent while the intent was ${record.intent}`);
    }
    if (effect === "make" && record.intent === "destroyed") {
      this.violate(`${action} was sent while the instance was to be destroyed`);
    }
    if (effect === "look" || effect === "wait" || call.subject === null) return;
    if (!this.#isOurs(call))
      this.violate(`${action} was sent for ${call.subject}, which is another tenant's`);
    if (action === "deleteApp" && record.intent !== "destroyed")
      this.violate("deleteApp was sent for an instance that is kept");
  }

  /** Settings leave the object, whose durable record is this, for a machine. */
  settingsSent(machineId: string, record: InstanceState | null): void {
    if (record?.intent !== "running")
      this.violate(`settings were sent while the intent was ${record?.intent ?? "none"}`);
    if (record?.machine?.id !== machineId || !record.machine.verified)
      this.violate("settings were sent to a machine that is not known to be the instance's");
  }

  /** The cloud is about to do what it was asked. */
  before(call: Call<unknown>): void {
    this.#forgotten.before(call);
    if (call.action === "deleteVolume") this.#volumesBefore = this.#ourVolumes();
  }

  /** The cloud has done it. */
  took(call: Call<unknown>, answer: Answer<unknown>, record: InstanceState | null): void {
    const isKept = !this.#wished.has(call) && record !== null && record.intent !== "destroyed";
    if (call.action === "deleteVolume" && answer.ok && isKept) {
      const deleted = this.#volumesBefore.find(({ id }) => id === call.subject);
      if (deleted !== undefined) this.#judgeDeletion(deleted, this.#volumesAtSend.get(call) ?? []);
    }
    for (const { id } of this.#forgotten.took(call))
      this.violate(`${id} was made after a destroy by force, which had not named it`);
    this.changed();
  }

  /** Something in the cloud is different. */
  changed(): void {
    let alive = 0;
    let up = 0;
    for (const machine of this.ourMachines()) {
      if (machine.state === "destroyed" || machine.state === "destroying") continue;
      alive += 1;
      if (machine.state === "started" && machine.host.status === "ok") up += 1;
    }
    if (alive > 1) this.violate("two machines of the tenant exist");
    if (up > 1) this.violate("two machines of the tenant run");
  }

  /** The record and the alarm are durable as they are. What was `forgot` is the warning of a destroy by force. */
  written(
    record: InstanceState | null,
    alarm: number | null,
    isArmed: boolean,
    before: InstanceState | null,
    forgot: Forgot | null,
  ): void {
    if (forgot !== null && before !== null) {
      this.#erasedByForce(forgot);
      return;
    }
    if (record === null) {
      if (before !== null) this.#erased(before);
      return;
    }
    if (!isArmed) this.violate("a record stands without an alarm");
    if (alarm !== null && alarm > this.#cloud.now + ALARM_AHEAD_MS_MAX)
      this.violate("the alarm is too far away");
    if (before?.intent === "destroyed" && record.intent !== "destroyed")
      this.violate("a destroyed instance came back");
    this.#forgotten.takenOver(record);
  }

  /** The record is one that the next incarnation can read. */
  readable(record: InstanceState): void {
    const read = readState(JSON.parse(JSON.stringify(record)));
    if (read.kind === "unreadable") this.violate(`the record can't be read again: ${read.issues}`);
  }

  /** The instance's machines, those that are destroyed too, but not those of one that was destroyed by force. */
  *ourMachines(): Generator<Machine> {
    for (const app of this.#cloud.apps.values()) {
      for (const machine of app.machines.values()) if (machine.ours && !machine.forgotten) yield machine;
    }
  }

  #ourVolumes(): Volume[] {
    return this.#cloud.keptVolumes().filter(({ ours, forgotten }) => ours && !forgotten);
  }

  #erasedByForce({ why, intent }: Forgot): void {
    if (intent !== "destroyed") this.violate("an instance that is kept was forgotten");
    for (const { id } of this.#forgotten.erased(why))
      this.violate(`a destroy by force left ${id} and did not name it`);
  }

  #erased(before: InstanceState): void {
    if (before.intent !== "destroyed") this.violate("the record of an instance that is kept was erased");
    for (const machine of this.ourMachines()) {
      if (machine.state !== "destroyed") this.violate("the record was erased before the machine was gone");
    }
    for (const { name, forgotten } of this.#cloud.keptApps()) {
      if (name !== SHARED_APP && !forgotten) this.violate("the record was erased before the app was gone");
    }
    for (const volume of this.#ourVolumes())
      this.violate(`the record was erased before the volume ${volume.id} was gone`);
  }

  /** What was written to the volume must be elsewhere, and on a volume that is known to work. */
  #judgeDeletion(deleted: Volume, atSend: Volume[]): void {
    const { writing, proven, host, wasAway } = deleted;
    if (writing === null || host.status !== "ok" || wasAway) return;
    const others = [...this.#ourVolumes(), ...atSend].filter(({ id }) => id !== deleted.id);
    const copies = others.filter((other) => contains(other.writing, writing));
    if (copies.some((copy) => copy.proven)) return;
    // A copy on which no machine ran is only a copy.
    if (!proven && (copies.length > 0 || this.#isInSnapshot(writing))) return;
    this.violate(`the volume ${deleted.id} was deleted with the only copy of what was written to it`);
  }

  #volumesSince(instant: number): Volume[] {
    const goneAt = ({ shown }: Volume): number => shown.at(-1)?.at ?? 0;
    return this.#cloud.allVolumes().filter((one) => one.ours && (!isGone(one) || goneAt(one) > instant));
  }

  #isInSnapshot(writing: Writing): boolean {
    return [...this.#cloud.apps.values()]
      .flatMap(({ snapshots }) => Array.from(snapshots.values()).flat())
      .some((snapshot) => contains(snapshot.writing, writing));
  }

  #isOurs({ action, app, subject }: Call<unknown>): boolean {
    const known = this.#cloud.apps.get(app);
    if (known === undefined || subject === null) return true;
    if (action === "deleteApp") return !this.#cloud.strangersApps.has(app);
    if (action === "deleteVolume") return known.volumes.get(subject)?.ours ?? true;
    return known.machines.get(subject)?.ours ?? true;
  }
}
