import type { Action } from "../cloud/client.ts";
import { type LifeOptions, live } from "../life/life.ts";
import {
  type CallFault,
  type Element,
  type Failure,
  type PlaceRefusal,
  planOf,
  type Script,
  type UserAction,
} from "../life/plan.ts";
import type { Scenario } from "./scenarios.ts";

/** One scenario with one thing that goes wrong. */
export type Cell = { scenario: string; script: Script };

const SECOND_MS = 1_000;
const BEFORE: readonly Failure[] = [
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
];
const AFTER: readonly Failure[] = ["reset", "timeout", "408", "500", "502_html", "503", "unreadable"];
const LATE: readonly Failure[] = ["reset", "timeout", "408", "500"];
const REFUSED: readonly PlaceRefusal[] = ["capacity", "quota", "limit", "host_disabled", "image", "conflict"];
const LATE_MS = [5 * SECOND_MS, 20 * SECOND_MS, 39 * SECOND_MS];
const ACTIONS: readonly UserAction[] = [
  "start",
  "stop",
  "restart",
  "destroy",
  "provision",
  "configure",
  "rotate",
  "repair",
  "doubt",
  "restore",
  "destroy_force",
];

const LISTS: ReadonlySet<string> = new Set<Action>(["findMachines", "findVolumes"]);
const PLACES: ReadonlySet<string> = new Set<Action>([
  "createMachine",
  "startMachine",
  "updateMachine",
  "createVolume",
]);
const LOOKS: ReadonlySet<string> = new Set<Action>([
  "getMachine",
  "findMachines",
  "waitForMachine",
  "getVolume",
  "findVolumes",
  "listSnapshots",
  "getApp",
  "listAddresses",
]);

/**
 * All cells of a scenario: it is run undisturbed first, which tells its calls, writes and waits; then each of them gets each
 * thing that can happen there.
 */
export async function cellsOf(
  { name, setup, timed, fromMs }: Scenario,
  options: LifeOptions,
): Promise<Cell[]> {
  const base: Element[] = timed.map((event) => ({ on: "time", ...event }));
  const { calls, points } = await live(planOf({ setup, elements: base }), { ...options, places: true });
  const cell = (element: Element): Cell => ({
    scenario: name,
    script: { setup, elements: [...base, element] },
  });
  const cells: Cell[] = [{ scenario: name, script: { setup, elements: base } }];
  for (const { label, ordinal, atMs } of calls) {
    if (atMs < fromMs) continue;
    for (const fault of faultsOf(label)) cells.push(cell({ on: "call", label, ordinal, fault }));
  }
  for (const { label, ordinal, atMs } of points) {
    if (atMs < fromMs) continue;
    cells.push(cell({ on: "point", label, ordinal, what: { kind: "crash", keep: true } }));
    if (label === "write") {
      cells.push(cell({ on: "point", label, ordinal, what: { kind: "crash", keep: false } }));
    }
    cells.push(cell({ on: "point", label, ordinal, what: { kind: "alarm" } }));
    for (const action of ACTIONS) {
      cells.push(cell({ on: "point", label, ordinal, what: { kind: "action", action } }));
    }
  }
  return cells;
}

/** Everything that can go wrong with one call of this kind. Of a look, whether it arrived makes no difference. */
function faultsOf(action: string): CallFault[] {
  const faults: CallFault[] = BEFORE.map((how) => ({ kind: "before", how }));
  faults.push({ kind: "slow", ms: 12 * SECOND_MS });
  if (LISTS.has(action)) {
    faults.push({ kind: "empty_lists", ms: 25 * SECOND_MS }, { kind: "stale_list", ms: 30 * SECOND_MS });
  }
  if (LOOKS.has(action)) return faults;
  for (const how of AFTER) faults.push({ kind: "after", how });
  for (const effectMs of LATE_MS) {
    for (const how of LATE) faults.push({ kind: "late", how, effectMs });
  }
  if (PLACES.has(action)) {
    for (const how of REFUSED) faults.push({ kind: "refused", how });
  }
  return faults;
}
