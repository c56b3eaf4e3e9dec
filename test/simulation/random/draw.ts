import { STREAM } from "../cloud/streams.ts";
import type {
  CallFault,
  Disturbance,
  Failure,
  Happening,
  PlaceRefusal,
  Plan,
  Setup,
  Timed,
  UserAction,
} from "../life/plan.ts";
import { Noise, type Random } from "../random.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/** The share of calls with which something goes wrong: with four in five of them an error or a lost answer, so with a quarter of all. */
const FAULT_SHARE = 0.31;
const CRASH_SHARE = 0.006;
const ACTION_SHARE = 0.006;
const ALARM_SHARE = 0.002;

/**
 * The life that a seed names. Nothing is drawn before it is asked for, and each draw depends on its place alone, so that a life
 * costs nothing but itself.
 */
export function drawPlan(seed: number): Plan {
  const noise = new Noise(seed);
  const random = noise.fork(STREAM.script, 0);
  const setup: Setup = {
    seed,
    rough: !random.chance(0.1),
    ownApp: random.chance(0.25),
    namesTaken: random.chance(0.2) ? 1 : 0,
    binds: false,
    calmMs: 0,
    hostsEnd: random.pick(["back", "back", "lost", "away"]),
  };
  const faultShare = random.pick([FAULT_SHARE, FAULT_SHARE, FAULT_SHARE, FAULT_SHARE, 0, 2 * FAULT_SHARE]);
  const crashShare = random.pick([0, CRASH_SHARE, CRASH_SHARE, 3 * CRASH_SHARE]);
  const { timed, endMs } = drawEvents(random);
  return {
    setup: { ...setup, calmMs: endMs + random.between(0, MINUTE_MS) },
    byName: false,
    timed,
    faultOf: ({ index }) =>
      noise.at(STREAM.fault, index) < faultShare ? drawFault(noise.fork(STREAM.fault, ~index)) : null,
    at: ({ index }) => {
      const draw = noise.at(STREAM.point, index);
      if (draw < crashShare) return [{ kind: "crash", keep: draw < crashShare / 2 }];
      if (draw > 1 - ALARM_SHARE) return [{ kind: "alarm" }];
      if (draw < crashShare + ACTION_SHARE) {
        return [{ kind: "action", action: drawAction(noise.fork(STREAM.point, ~index)) }];
      }
      return NOTHING;
    },
  };
}

const NOTHING: readonly Disturbance[] = [];

const EVENTS_MIN = 3;
const EVENTS_MAX = 14;

/** What users and Fly do at instants, from the first wish on. */
function drawEvents(random: Random): { timed: Timed[]; endMs: number } {
  const timed: Timed[] = [{ atMs: 0, what: { kind: "action", action: "provision" } }];
  const count = Math.floor(random.between(EVENTS_MIN, EVENTS_MAX));
  let atMs = 0;
  for (let index = 0; index < count; index += 1) {
    atMs += drawPause(random);
    if (index === 0) timed.push({ atMs, what: { kind: "action", action: "start" } });
    else if (random.chance(0.55)) timed.push({ atMs, what: { kind: "action", action: drawAction(random) } });
    else timed.push(...drawHappening(random, atMs));
  }
  return { timed, endMs: Math.max(atMs, ...timed.map((one) => one.atMs)) };
}

function drawPause(random: Random): number {
  const draw = random.next();
  if (draw < 0.5) return random.between(0, 5 * SECOND_MS);
  if (draw < 0.85) return random.between(0, 5 * MINUTE_MS);
  return random.between(0, 35 * MINUTE_MS);
}

function drawAction(random: Random): UserAction {
  const draw = random.next();
  if (draw < 0.05) return "destroy";
  if (draw < 0.06) return "destroy_force";
  return random.pick([
    "start",
    "start",
    "start",
    "stop",
    "stop",
    "restart",
    "provision",
    "configure",
    "rotate",
    "repair",
    "doubt",
    "restore",
  ]);
}

function drawFault(random: Random): CallFault {
  const draw = random.next();
  if (draw < 0.3) {
    return {
      kind: "before",
      how: random.pick<Failure>([
        "reset",
        "timeout",
        "408",
        "429",
        "429_later",
        "500",
        "502_html",
        "503",
        "404_plain",
        "401",
      ]),
    };
  }
  if (draw < 0.6) {
    return {
      kind: "after",
      how: random.pick<Failure>(["reset", "timeout", "408", "500", "502_html", "503", "unreadable"]),
    };
  }
  if (draw < 0.8) {
    const effectMs = random.between(0, 40 * SECOND_MS);
    return {
      kind: "late",
      how: random.pick<Failure>(["reset", "timeout", "408", "500", "502_html", "503"]),
      effectMs,
    };
  }
  if (draw < 0.84) {
    const how = random.pick<PlaceRefusal>([
      "capacity",
      "quota",
      "limit",
      "host_disabled",
      "image",
      "conflict",
    ]);
    return { kind: "refused", how };
  }
  if (draw < 0.9) return { kind: "slow", ms: random.between(SECOND_MS, 12 * SECOND_MS) };
  if (draw < 0.95) return { kind: "empty_lists", ms: random.between(0, 30 * SECOND_MS) };
  return { kind: "stale_list", ms: random.between(0, 30 * SECOND_MS) };
}

/** Something that happens, and where it lasts, when it ends; to settings that were changed before, where it is about them. */
function drawHappening(random: Random, atMs: number): Timed[] {
  const at = (happening: Happening, laterMs = 0): Timed => ({
    atMs: atMs + laterMs,
    what: { kind: "happening", happening },
  });
  const configure = (laterMs = 0): Timed => ({
    atMs: atMs + laterMs,
    what: { kind: "action", action: "configure" },
  });
  const lasting = random.between(SECOND_MS, 10 * MINUTE_MS);
  const region = random.pick(["ams", "fra", "iad"]);
  return random.pick<Timed[]>([
    [at({ kind: "machine_dies" })],
    [at({ kind: "machine_dies" })],
    [at({ kind: "machine_crashes_on" }), at({ kind: "controller", how: "normal" }, lasting)],
    [at({ kind: "machine_lost" })],
    [at({ kind: "machine_restarts" })],
    [configure(), at({ kind: "machine_restarts" }, lasting)],
    [configure(), configure(lasting / 2), at({ kind: "storage_lost" }, lasting)],
    [at({ kind: "machine_fails" })],
    [at({ kind: "machine_migrated" })],
    [at({ kind: "volume_lost" })],
    [at({ kind: "snapshot" }), at({ kind: "volume_lost" }, lasting)],
    [at({ kind: "snapshot" }), at({ kind: "host_away" }, lasting)],
    [at({ kind: "host_away" }), at({ kind: "host_back" }, 3 * lasting)],
    [at({ kind: "host_full" }), at({ kind: "host_roomy" }, 3 * lasting)],
    [at({ kind: "region_full", region }), at({ kind: "regions_roomy" }, lasting)],
    [at({ kind: "region_quota", region }), at({ kind: "regions_roomy" }, lasting)],
    [at({ kind: "machine_wedged", hard: random.chance(0.3) }), at({ kind: "machine_unwedged" }, 4 * lasting)],
    [at({ kind: "machine_wedged", hard: random.chance(0.3) })],
    [at({ kind: "leased", ms: lasting })],
    [at({ kind: "lists_empty", ms: random.between(0, 30 * SECOND_MS) })],
    [
      at({ kind: "lists_behind", ms: random.between(0, 30 * SECOND_MS) }),
      at({ kind: "lists_true" }, lasting),
    ],
    [
      at({ kind: "controller", how: random.pick(["silent", "degraded", "slow"]) }),
      at({ kind: "controller", how: "normal" }, lasting),
    ],
    [at({ kind: "outage" }), at({ kind: "outage_over" }, lasting)],
    [at({ kind: "storage_lost" })],
  ]);
}
