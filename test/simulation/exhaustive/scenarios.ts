import { ODD_MANNERS } from "../cloud/program.ts";
import type { Disturbance, Happening, Setup, Timed, UserAction } from "../life/plan.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/** One operation on an instance in a known situation. Everything from `fromMs` on is disturbed, one thing at a time. */
export type Scenario = { name: string; setup: Setup; timed: Timed[]; fromMs: number };

/** An event of a scenario, so many seconds after the one before. */
type Event = readonly [afterS: number, what: UserAction | Happening];

const PROVISIONED: Event[] = [[0, "provision"]];
const RUNNING: Event[] = [...PROVISIONED, [60, "start"], [60, { kind: "snapshot" }]];
const STOPPED: Event[] = [...RUNNING, [60, "stop"], [60, { kind: "lists_true" }]];
/** With settings that its controller was given while it ran. */
const CONFIGURED: Event[] = [...RUNNING, [30, "configure"], [30, { kind: "lists_true" }]];
/** Long enough for all that an operation leaves to be looked at once more. */
const REST: Event = [300, { kind: "lists_true" }];
const FULL: Happening[] = ["ams", "fra", "iad"].map((region) => ({ kind: "region_full", region }));

/** The operations, and what the alarm has to bring right. */
export const SCENARIOS: readonly Scenario[] = [
  scenario("provision", [], [[0, "provision"]]),
  scenario(
    "provision, no room in the first region",
    [[0, { kind: "region_full", region: "ams" }]],
    [[1, "provision"]],
  ),
  scenario(
    "provision, over the quota in the first region",
    [[0, { kind: "region_quota", region: "ams" }]],
    [[1, "provision"]],
  ),
  scenario(
    "provision, no room anywhere",
    FULL.map((full): Event => [0, full]),
    [[1, "provision"]],
  ),
  scenario("provision in an app of its own", [], [[0, "provision"]], { ownApp: true }),
  scenario("provision in an app whose first name a stranger has", [], [[0, "provision"]], {
    ownApp: true,
    namesTaken: 1,
  }),
  scenario("first start", PROVISIONED, [[60, "start"]]),
  scenario("first start in an app of its own", PROVISIONED, [[60, "start"]], { ownApp: true }),
  scenario("first start on a full host", [...PROVISIONED, [30, { kind: "host_full" }]], [[30, "start"]]),
  scenario("start of a stopped one", STOPPED, [[60, "start"]]),
  scenario(
    "start of a stopped one on a full host",
    [...STOPPED, [30, { kind: "host_full" }]],
    [[30, "start"]],
  ),
  scenario(
    "start of a stopped one, no room anywhere",
    [...STOPPED, [30, { kind: "host_full" }], ...FULL.map((full): Event => [0, full])],
    [[30, "start"]],
  ),
  scenario("start of one that runs", RUNNING, [[60, "start"]]),
  scenario(
    "start under somebody's lease",
    [...STOPPED, [30, { kind: "leased", ms: 60 * SECOND_MS }]],
    [[30, "start"]],
  ),
  scenario(
    "start of one that is wedged",
    [...STOPPED, [30, { kind: "machine_wedged", hard: false }]],
    [[30, "start"]],
    {},
    20,
  ),
  scenario(
    "start of one that can't even be destroyed",
    [...STOPPED, [30, { kind: "machine_wedged", hard: true }]],
    [[30, "start"]],
    {},
    40,
  ),
  scenario("stop of one that runs", RUNNING, [[60, "stop"]]),
  scenario("stop of one that starts", PROVISIONED, [
    [60, "start"],
    [1, "stop"],
  ]),
  scenario(
    "stop under somebody's lease",
    [...RUNNING, [30, { kind: "leased", ms: 60 * SECOND_MS }]],
    [[30, "stop"]],
  ),
  scenario(
    "stop of one that is wedged",
    [...RUNNING, [30, { kind: "machine_wedged", hard: false }]],
    [[30, "stop"]],
    {},
    20,
  ),
  scenario("repair of one that runs", RUNNING, [[60, "repair"]]),
  scenario("restart of one that runs", RUNNING, [[60, "restart"]]),
  scenario("restart of one that is stopped", STOPPED, [[60, "restart"]]),
  scenario("changed settings of one that runs", RUNNING, [[60, "configure"]]),
  scenario("changed settings of one that runs, in an app of its own", RUNNING, [[60, "configure"]], {
    ownApp: true,
  }),
  ...ODD_MANNERS.map((manner) =>
    scenario(
      `changed settings of one whose controller is ${manner} about it`,
      [...RUNNING, [30, { kind: "program", manner }]],
      [[30, "configure"]],
    ),
  ),
  scenario("settings that are changed twice", RUNNING, [
    [60, "configure"],
    [0, "configure"],
  ]),
  scenario("changed settings, and a machine that restarts in its place", CONFIGURED, [
    [60, { kind: "machine_restarts" }],
    [0, "doubt"],
  ]),
  scenario(
    "changed settings, and a machine that restarts in its place and forgets them",
    [...RUNNING, [30, { kind: "program", manner: "forgets" }], [30, "configure"]],
    [
      [60, { kind: "machine_restarts" }],
      [0, "doubt"],
    ],
    {},
    8,
  ),
  scenario("changed settings, a stop and a start", CONFIGURED, [
    [30, "stop"],
    [30, "start"],
  ]),
  scenario(
    "changed settings, and a record that was lost",
    [...CONFIGURED, [60, { kind: "storage_lost" }]],
    [[1, "restore"]],
    {},
    8,
  ),
  scenario(
    "changed settings, and a record that was lost while the machine was down",
    [...CONFIGURED, [60, { kind: "machine_fails" }], [0, { kind: "storage_lost" }]],
    [[1, "start"]],
  ),
  scenario(
    "changed settings, a destroy by force on a host that is away, and a provision",
    [...CONFIGURED, [30, { kind: "host_away" }]],
    [
      [30, "destroy"],
      [10, "destroy_force"],
      [5, { kind: "host_back" }],
      [1, "provision"],
      [10, "start"],
    ],
    {},
    8,
  ),
  scenario("changed settings of one that is stopped, and a start", STOPPED, [
    [60, "configure"],
    [10, "start"],
  ]),
  scenario("new keys for one that runs in an app of its own", RUNNING, [[60, "rotate"]], { ownApp: true }),
  scenario(
    "new keys for one that is stopped in an app of its own, twice, and a start",
    STOPPED,
    [
      [60, "rotate"],
      [10, "rotate"],
      [10, "start"],
    ],
    { ownApp: true },
  ),
  scenario("destroy of one that runs", RUNNING, [[60, "destroy"]]),
  scenario("destroy of one that runs, its volume bound for a while", RUNNING, [[60, "destroy"]], {
    binds: true,
  }),
  scenario("destroy of one that is stopped", STOPPED, [[60, "destroy"]]),
  scenario("destroy of one that starts", PROVISIONED, [
    [60, "start"],
    [1, "destroy"],
  ]),
  scenario("destroy of one that never ran", PROVISIONED, [[60, "destroy"]]),
  scenario("destroy in an app of its own", RUNNING, [[60, "destroy"]], { ownApp: true }),
  scenario(
    "destroy under somebody's lease",
    [...RUNNING, [30, { kind: "leased", ms: 60 * SECOND_MS }]],
    [[30, "destroy"]],
  ),
  scenario("destroy, and a provision right after", RUNNING, [
    [60, "destroy"],
    [1, "provision"],
    [30, "provision"],
  ]),
  scenario("destroy by force of one that is being destroyed", RUNNING, [
    [60, "destroy"],
    [1, "destroy_force"],
  ]),
  scenario(
    "destroy by force on a host that is away",
    [...RUNNING, [30, { kind: "host_away" }]],
    [
      [30, "destroy"],
      [60, "destroy_force"],
    ],
  ),
  scenario(
    "destroy by force, and a provision right after",
    [...RUNNING, [30, { kind: "host_away" }]],
    [
      [30, "destroy"],
      [10, "destroy_force"],
      [5, { kind: "host_back" }],
      [1, "provision"],
      [10, "start"],
    ],
  ),
  scenario(
    "destroy by force in an app of its own",
    [...RUNNING, [30, { kind: "host_away" }]],
    [
      [30, "destroy"],
      [10, "destroy_force"],
    ],
    { ownApp: true },
  ),
  scenario("an idle alarm of one that runs", [...RUNNING, REST], [], {}, 8),
  scenario("an idle alarm of one that is stopped", [...STOPPED, REST], [], {}, 36),
  scenario("a machine that died", RUNNING, [
    [60, { kind: "machine_dies" }],
    [0, "doubt"],
  ]),
  scenario("a machine that failed", RUNNING, [
    [60, { kind: "machine_fails" }],
    [0, "doubt"],
  ]),
  scenario("a machine that Fly moved to another host", RUNNING, [
    [60, { kind: "machine_migrated" }],
    [0, "doubt"],
  ]),
  scenario("a machine that is gone", RUNNING, [
    [60, { kind: "machine_lost" }],
    [0, "doubt"],
  ]),
  scenario("a machine that is gone while stopped", STOPPED, [
    [60, { kind: "machine_lost" }],
    [0, "repair"],
  ]),
  scenario(
    "a volume that is gone, with a snapshot",
    RUNNING,
    [
      [60, { kind: "volume_lost" }],
      [0, "doubt"],
    ],
    {},
    10,
  ),
  scenario(
    "a volume that is gone while stopped",
    STOPPED,
    [
      [60, { kind: "volume_lost" }],
      [0, "start"],
    ],
    {},
    10,
  ),
  scenario("a host that is away and comes back", RUNNING, [
    [60, { kind: "host_away" }],
    [0, "doubt"],
    [120, { kind: "host_back" }],
  ]),
  scenario(
    "a host that stays away",
    RUNNING,
    [
      [60, { kind: "host_away" }],
      [0, "doubt"],
    ],
    {},
    30,
  ),
  scenario("a destroy on a host that is away", [...RUNNING, [30, { kind: "host_away" }]], [[30, "destroy"]]),
  scenario(
    "a record that was lost, and a start",
    [...RUNNING, [60, { kind: "storage_lost" }]],
    [[1, "start"]],
  ),
  scenario(
    "a record that was lost, and a visit",
    [...RUNNING, [60, { kind: "storage_lost" }]],
    [[1, "restore"]],
  ),
  scenario(
    "a record that was lost, and a provision",
    [...STOPPED, [180, { kind: "storage_lost" }]],
    [[1, "provision"]],
  ),
  scenario(
    "a record that was lost, and a destroy",
    [...RUNNING, [60, { kind: "storage_lost" }]],
    [[1, "destroy"]],
  ),
  scenario(
    "a record that was lost in an app of its own",
    [...RUNNING, [60, { kind: "storage_lost" }]],
    [[1, "start"]],
    { ownApp: true },
  ),
  scenario(
    "a gateway that does not come up",
    [...STOPPED],
    [
      [60, "start"],
      [1, { kind: "controller", how: "slow" }],
    ],
    {},
    10,
  ),
];

function scenario(
  name: string,
  before: readonly Event[],
  operation: readonly Event[],
  setup: Partial<Setup> = {},
  minutes = 4,
): Scenario {
  let atMs = 0;
  const place = ([afterS, what]: Event): Timed => {
    atMs += afterS * SECOND_MS;
    return { atMs, what: disturbanceOf(what) };
  };
  const prelude = before.map(place);
  const fromMs = atMs;
  const timed = [...prelude, ...operation.map(place)];
  return {
    name,
    timed,
    fromMs,
    setup: {
      seed: 1,
      rough: false,
      ownApp: false,
      namesTaken: 0,
      binds: false,
      hostsEnd: "back",
      calmMs: atMs + minutes * MINUTE_MS,
      ...setup,
    },
  };
}

function disturbanceOf(what: UserAction | Happening): Disturbance {
  return typeof what === "string" ? { kind: "action", action: what } : { kind: "happening", happening: what };
}
