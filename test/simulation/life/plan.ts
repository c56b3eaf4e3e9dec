import type { EnvManner } from "../cloud/program.ts";

/** How one call goes wrong. What does not apply to a call is as if it were not there. */
export type CallFault =
  /** It never takes effect, and the caller is told of a failure. */
  | { kind: "before"; how: Failure }
  /** It takes effect, and the caller is told of a failure, or nothing. */
  | { kind: "after"; how: Failure }
  /** The caller is told of a failure, or nothing; the call takes effect later, within 40 s of being sent. */
  | { kind: "late"; how: Failure; effectMs: number }
  /** Slow, but in time. */
  | { kind: "slow"; ms: number }
  /** Fly refuses what would be placed by this call. */
  | { kind: "refused"; how: PlaceRefusal }
  /** Lists are empty from here on for a while, or this one is as it was some time ago. */
  | { kind: "empty_lists"; ms: number }
  | { kind: "stale_list"; ms: number };

export type PlaceRefusal = "capacity" | "quota" | "limit" | "host_disabled" | "image" | "conflict";

/** What the caller sees of a call that failed on its way. */
export type Failure =
  | "reset"
  | "timeout"
  | "408"
  | "429"
  | "429_later"
  | "500"
  | "502_html"
  | "503"
  | "unreadable"
  | "404_plain"
  | "401";

export type UserAction =
  | "provision"
  | "configure"
  | "rotate"
  | "start"
  | "stop"
  | "restart"
  | "destroy"
  /** What Fly keeps of an instance that is being destroyed is forgotten; any other one is destroyed as usual. */
  | "destroy_force"
  | "repair"
  | "doubt"
  | "restore";

/** What happens at Fly, or to the object's storage, without anybody asking for it. Aimed at the instance's current machine or volume. */
export type Happening =
  | { kind: "machine_dies" }
  | { kind: "machine_crashes_on" }
  | { kind: "machine_restarts" }
  | { kind: "machine_fails" }
  | { kind: "machine_migrated" }
  | { kind: "machine_lost" }
  | { kind: "volume_lost" }
  | { kind: "host_away" }
  | { kind: "host_back" }
  | { kind: "host_full" }
  | { kind: "host_roomy" }
  | { kind: "region_full"; region: string }
  | { kind: "region_quota"; region: string }
  | { kind: "regions_roomy" }
  | { kind: "machine_wedged"; hard: boolean }
  | { kind: "machine_unwedged" }
  | { kind: "leased"; ms: number }
  | { kind: "lists_empty"; ms: number }
  | { kind: "lists_behind"; ms: number }
  | { kind: "lists_true" }
  | { kind: "snapshot" }
  | { kind: "controller"; how: "silent" | "degraded" | "slow" | "normal" }
  | { kind: "program"; manner: EnvManner }
  | { kind: "outage" }
  | { kind: "outage_over" }
  | { kind: "storage_lost" };

export type Disturbance =
  | { kind: "crash"; keep: boolean }
  | { kind: "action"; action: UserAction }
  /** An alarm that rang before rings once more (docs: durable-objects/api/alarms, at least once). */
  | { kind: "alarm" }
  | { kind: "happening"; happening: Happening };

export type Timed = { atMs: number; what: Disturbance };

/** Of what kind the instance and its surroundings are. */
export type Setup = {
  seed: number;
  rough: boolean;
  ownApp: boolean;
  /** Whether strangers have the first names that the tenant's app could have. */
  namesTaken: number;
  /** Whether each volume stays bound for a while after its machine is gone. */
  binds: boolean;
  /** When misfortunes end, counted from the beginning of the life. */
  calmMs: number;
  /** What becomes of hosts that are away when misfortunes end. */
  hostsEnd: "back" | "lost" | "away";
};

/**
 * A place in a life: a call, or a point at which others may come in between. Its index counts all of them; its ordinal only those
 * with the same label, so that it stays what it is when something before it is left out. Its instant counts from the beginning.
 */
export type Place = { index: number; label: string; ordinal: number; atMs: number };

/** Everything that is decided about a life beforehand: its surroundings, and what happens to it and when. */
export type Plan = {
  setup: Setup;
  /** Whether it goes by labels and ordinals; else the index is enough, and the others are not counted. */
  byName: boolean;
  timed: readonly Timed[];
  /** What goes wrong with the call. */
  faultOf(call: Place): CallFault | null;
  /** What happens at the point. */
  at(point: Place): readonly Disturbance[];
};

/** A plan as a list of its elements, each of which can be left out. */
export type Script = { setup: Setup; elements: readonly Element[] };

export type Element =
  | { on: "time"; atMs: number; what: Disturbance }
  | { on: "call"; label: string; ordinal: number; fault: CallFault }
  | { on: "point"; label: string; ordinal: number; what: Disturbance };

const NOTHING: readonly Disturbance[] = [];

/** The plan of a script: each element at its place, and nothing anywhere else. */
export function planOf({ setup, elements }: Script): Plan {
  const faults = new Places<CallFault>();
  const points = new Places<readonly Disturbance[]>();
  const timed: Timed[] = [];
  for (const element of elements) {
    switch (element.on) {
      case "time":
        timed.push(element);
        break;
      case "call":
        faults.set(element, element.fault);
        break;
      case "point":
        points.set(element, [...(points.get(element) ?? NOTHING), element.what]);
        break;
      default:
        element satisfies never;
    }
  }
  return {
    setup,
    byName: true,
    timed,
    faultOf: (call) => faults.get(call) ?? null,
    at: (point) => points.get(point) ?? NOTHING,
  };
}

type Named = { label: string; ordinal: number };

/** What is planned for which place; most places are asked for in vain. */
class Places<T> {
  readonly #labels = new Map<string, Map<number, T>>();

  set({ label, ordinal }: Named, what: T): void {
    const ordinals = this.#labels.get(label) ?? new Map<number, T>();
    this.#labels.set(label, ordinals.set(ordinal, what));
  }

  get({ label, ordinal }: Named): T | undefined {
    return this.#labels.get(label)?.get(ordinal);
  }
}

/** Numbers places: all of them, and where asked for those of one label. */
export class Counter {
  readonly #byName: boolean;
  readonly #ordinals = new Map<string, number>();
  #index = 0;

  constructor(byName: boolean) {
    this.#byName = byName;
  }

  next(label: string, atMs: number): Place {
    const ordinal = this.#byName ? (this.#ordinals.get(label) ?? 0) : 0;
    if (this.#byName) this.#ordinals.set(label, ordinal + 1);
    const place = { index: this.#index, label, ordinal, atMs };
    this.#index += 1;
    return place;
  }

  get count(): number {
    return this.#index;
  }
}
