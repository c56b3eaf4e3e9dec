import type { InstanceState } from "../../../src/instance/state.ts";
import type { Action, Call } from "../cloud/client.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { type App, isGone, type Machine, type Volume } from "../cloud/model.ts";
import { SHARED_APP } from "./object.ts";

type Thing = App | Machine | Volume;

/** A pass looks in three rounds, each of which may wait for an answer for 15 s. */
const PASS_MS = 45_000;

const MAKES: ReadonlySet<Action> = new Set(["createApp", "createVolume", "createMachine"]);

/**
 * What a destroy by force leaves at Fly. It may stay there with nobody who knows of it, as long as the warning named it by its id, its
 * name, its metadata or its app; and so may what calls make of it that were under way.
 */
export class Forgotten {
  readonly #cloud: Cloud;
  /** The destroys by force so far, and how many there had been when a call was sent. */
  #count = 0;
  readonly #countAtSend = new WeakMap<object, number>();
  #lastAt = Number.NEGATIVE_INFINITY;
  #told = "";
  #before: Thing[] = [];

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  sent(call: Call<unknown>): void {
    this.#countAtSend.set(call, this.#count);
  }

  /** Whether a pass that was under way at a destroy by force may still be looking. */
  get isPassEnding(): boolean {
    return this.#cloud.now <= this.#lastAt + PASS_MS;
  }

  /** A call is about to take effect. */
  before(call: Call<unknown>): void {
    if (this.#isLate(call)) this.#before = this.#left();
  }

  /** A call took effect: what it made for an instance that was forgotten meanwhile is. Gives what was not named. */
  took(call: Call<unknown>): Thing[] {
    // What waited at Fly for the end of a lease makes nothing, and may find what a later instance took over.
    if (!MAKES.has(call.action) || !this.#isLate(call)) return [];
    return this.#forget(this.#left().filter((one) => !this.#before.includes(one)));
  }

  /** The record was erased by force, with this warning. Gives what is left and was not named. */
  erased(told: string): Thing[] {
    this.#count += 1;
    this.#lastAt = this.#cloud.now;
    this.#told += told;
    return this.#forget(this.#left());
  }

  /** A later instance of the same user took over what it found. */
  takenOver(record: InstanceState): void {
    if (this.#count === 0) return;
    const known = new Set([
      record.ownApp === null ? undefined : record.appName,
      record.machine?.id,
      record.pendingDestroyMachineId,
      record.volume?.id,
      record.pendingDestroyVolumeId,
      record.candidate?.id,
      ...record.leftovers.map(({ id }) => id),
    ]);
    for (const app of this.#cloud.apps.values()) {
      if (known.has(app.name)) app.forgotten = false;
      for (const one of [...app.machines.values(), ...app.volumes.values()]) {
        if (known.has(one.id)) one.forgotten = false;
      }
    }
  }

  #isLate(call: Call<unknown>): boolean {
    return (this.#countAtSend.get(call) ?? this.#count) < this.#count;
  }

  /** Everything of the instance that is still at Fly and has not been forgotten. */
  #left(): Thing[] {
    const apps = this.#cloud.keptApps().filter(({ name }) => name !== SHARED_APP);
    const machines = this.#cloud.allMachines().filter(({ ours, state }) => ours && state !== "destroyed");
    const volumes = this.#cloud.allVolumes().filter((volume) => volume.ours && !isGone(volume));
    return [...apps, ...machines, ...volumes].filter(({ forgotten }) => !forgotten);
  }

  #forget(things: Thing[]): Thing[] {
    const named = things.filter((one) => this.#isNamed(one));
    for (const one of named) {
      one.forgotten = true;
      // What its user wished to be destroyed is data to nobody.
      if ("writing" in one) one.writing = null;
    }
    return things.filter((one) => !named.includes(one));
  }

  #isNamed(one: Thing): boolean {
    const told = (name: string | undefined): boolean => name !== undefined && this.#told.includes(name);
    if (told(one.id) || told(one.name)) return true;
    if ("config" in one && told(one.config.metadata?.["kiloclaw_sandbox_id"])) return true;
    return "app" in one && one.app.name !== SHARED_APP && told(one.app.name);
  }
}
