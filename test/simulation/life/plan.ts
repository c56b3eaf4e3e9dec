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
  /** Fly has no room for what would be placed by this call. */
  | { kind: "no_room"; how: "capacity" | "quota" | "limit" | "host_disabled" }
  /** A list that is empty, or as it was some time ago. */
  | { kind: "empty_list" }
  | { kind: "stale_list"; ms: number }
  /** A controller that can't be reached in this moment. */
  | { kind: "unheard" };

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
  | "start"
  | "stop"
  | "restart"
  | "destroy"
  | "repair"
  | "doubt";

/** What happens at Fly, or to the object's storage, without anybody asking for it. Aimed at the instance's current machine or volume. */
export type Happening =
  | { kind: "machine_dies" }
  | { kind: "machine_crashes_on" }
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
  | { kind: "lists_empty" }
  | { kind: "lists_behind"; ms: number }
  | { kind: "lists_true" }
  | { kind: "snapshot" }
  | { kind: "controller"; how: "silent" | "degraded" | "slow" | "normal" }
  | { kind: "outage" }
  | { kind: "outage_over" }
  | { kind: "storage_lost" };

export type Disturbance =
  | { kind: "crash"; keep: boolean }
  | { kind: "action"; action: UserAction }
  | { kind: "happening"; happening: Happening };

export type Timed = { atMs: number; what: Disturbance };

/** Of what kind the instance and its surroundings are. */
export type Setup = {
  seed: number;
  rough: boolean;
  ownApp: boolean;
  /** When misfortunes end, counted from the beginning of the life. */
  calmMs: number;
  /** What becomes of hosts that are away when misfortunes end. */
  hostsEnd: "back" | "lost";
};

/** Everything that is decided about a life beforehand: its surroundings, and what happens to it and when. */
export type Plan = {
  setup: Setup;
  timed: readonly Timed[];
  /** What goes wrong with the call of this number. */
  faultOf(call: number): CallFault | null;
  /** What happens at the point of this number: a call sent, its effect, a write, a sleep. */
  at(point: number): readonly Disturbance[];
};

/** A plan as a list of its elements, each of which can be left out. */
export type Script = { setup: Setup; elements: readonly Element[] };

export type Element =
  | { on: "time"; atMs: number; what: Disturbance }
  | { on: "call"; index: number; fault: CallFault }
  | { on: "point"; index: number; what: Disturbance };

const NOTHING: readonly Disturbance[] = [];

export function planOf({ setup, elements }: Script): Plan {
  const faults = new Map<number, CallFault>();
  const points = new Map<number, Disturbance[]>();
  const timed: Timed[] = [];
  for (const element of elements) {
    switch (element.on) {
      case "time":
        timed.push(element);
        break;
      case "call":
        faults.set(element.index, element.fault);
        break;
      case "point":
        points.set(element.index, [...(points.get(element.index) ?? []), element.what]);
        break;
      default:
        element satisfies never;
    }
  }
  return {
    setup,
    timed,
    faultOf: (call) => faults.get(call) ?? null,
    at: (point) => points.get(point) ?? NOTHING,
  };
}
