import { describe, expect, it } from "vitest";
import { decide } from "./decide.ts";
import type { Observation } from "./observation.ts";
import type { InstanceState, Intent } from "./state.ts";
import type { Step } from "./step.ts";
import { canBeSeen, everyObservation, recordsUnder } from "./testing/cells.ts";
import { HOUR_MS, none, NOW, openCreate, record, recovery, saw } from "./testing/records.ts";

/** A step that is asked for, with what it is asked for on. */
type Asked = { state: InstanceState; seen: Observation; step: Step };

/** Every step that `decide` asks for under an intent, over all that can be known and seen. */
function askedUnder(intent: Intent): Asked[] {
  const known = KNOWN.get(intent);
  if (known !== undefined) return known;
  const observations = everyObservation();
  const asked = recordsUnder(intent).flatMap((state) =>
    observations.flatMap((seen): Asked[] => {
      if (!canBeSeen(state, seen)) return [];
      const decision = decide(state, seen, NOW);
      return decision.kind === "step" ? [{ state, seen, step: decision.step }] : [];
    }),
  );
  KNOWN.set(intent, asked);
  return asked;
}
const KNOWN = new Map<Intent, Asked[]>();

function kindsUnder(intent: Intent): Set<Step["kind"]> {
  return new Set(askedUnder(intent).map(({ step }) => step.kind));
}

/** The first that breaks the law, where there is one: it is what a reader of the failure needs. */
function firstAgainst(intent: Intent, isAgainst: (asked: Asked) => boolean): Asked | undefined {
  return askedUnder(intent).find(isAgainst);
}

const ALL = ["running", "stopped", "destroyed"] as const satisfies Intent[];
const KEPT = ["running", "stopped"] as const satisfies Intent[];

const ON_A_MACHINE: ReadonlySet<Step["kind"]> = new Set([
  "adopt_machine",
  "update_machine",
  "start_machine",
  "stop_machine",
  "destroy_machine",
  "give_up_machine",
]);

describe("over everything that can be known and seen", () => {
  it("only deletes what is to be destroyed, and finds it", () => {
    expect(kindsUnder("destroyed")).toEqual(
      new Set([
        "note_machine",
        "destroy_machine",
        "adopt_volume",
        "delete_volume",
        "adopt_candidate",
        "drop_candidate",
        "delete_leftover",
        "note_leftovers",
        "erase",
      ]),
    );
  });

  it("creates no machine under the intent to stop, and starts and updates none", () => {
    expect(kindsUnder("stopped")).toEqual(
      new Set([
        "adopt_machine",
        "note_machine",
        "stop_machine",
        "destroy_machine",
        "give_up_machine",
        "mark_down",
        "create_volume",
        "adopt_volume",
        "adopt_candidate",
        "drop_candidate",
        "clear_create",
        "delete_leftover",
        "note_found",
        "postpone_inventory",
      ]),
    );
  });

  it.each(KEPT)("deletes no volume, no app and no record of what is to be %s", (intent) => {
    const deletions = new Set<Step["kind"]>(["delete_volume", "delete_app", "erase", "note_leftovers"]);
    expect(kindsUnder(intent).isDisjointFrom(deletions)).toBe(true);
  });

  it.each(ALL)("does nothing to a machine it knows nothing of (%s)", (intent) => {
    expect(firstAgainst(intent, ({ seen }) => seen.machine.kind === "unknown")).toBeUndefined();
  });

  it.each(ALL)("does nothing to a machine of another tenant (%s)", (intent) => {
    const touches = ({ seen, step }: Asked): boolean =>
      seen.machine.kind === "present" && !seen.machine.ours && ON_A_MACHINE.has(step.kind);
    expect(firstAgainst(intent, touches)).toBeUndefined();
  });

  it.each(ALL)("does to a machine what it does by the id that it saw (%s)", (intent) => {
    const misses = ({ seen: { machine }, step }: Asked): boolean => {
      if (!ON_A_MACHINE.has(step.kind) || !("id" in step)) return false;
      return !("id" in machine) || machine.id !== step.id;
    };
    expect(firstAgainst(intent, misses)).toBeUndefined();
  });

  it.each(KEPT)("destroys a machine of what is to be %s only for a reason", (intent) => {
    const isWanton = ({ state, seen: { machine, volume }, step }: Asked): boolean => {
      if (step.kind !== "destroy_machine" || machine.kind !== "present") return false;
      const { mount } = machine;
      const ofOurs = [state.volume?.id, state.candidate?.id].includes(mount?.volumeId);
      const isRightlyMounted = ofOurs && mount?.isRightPath === true;
      const isWedged = state.watched !== null || state.lastError?.code === "machine_busy";
      const isInTheWay = state.candidate !== null || volume.kind === "absent";
      return isRightlyMounted && !isWedged && !isInTheWay;
    };
    expect(kindsUnder(intent)).toContain("destroy_machine");
    expect(firstAgainst(intent, isWanton)).toBeUndefined();
  });

  it("copies what has data, and never stands an empty volume in for it", () => {
    const empties = ({ state, step }: Asked): boolean =>
      step.kind === "create_candidate" && step.source.kind === "empty" && state.volume?.hasData === true;
    expect(kindsUnder("running")).toContain("create_candidate");
    expect(firstAgainst("running", empties)).toBeUndefined();
  });

  it.each(KEPT)("makes a volume only where none of the name is known to exist (%s)", (intent) => {
    const doubles = ({ state, seen: { volume }, step }: Asked): boolean =>
      step.kind === "create_volume" &&
      (volume.kind !== "absent" || (state.volume !== null && state.volume.missing === null));
    expect(kindsUnder(intent)).toContain("create_volume");
    expect(firstAgainst(intent, doubles)).toBeUndefined();
  });

  it("makes a machine only where none is seen, on a volume that is there and that nobody has", () => {
    const isUnfounded = ({ seen: { machine, volume, candidate }, step }: Asked): boolean => {
      if (step.kind !== "create_machine") return false;
      if (machine.kind !== "none" && machine.kind !== "absent") return true;
      const place = [volume, candidate].find((at) => at.kind === "present" && at.id === step.volumeId);
      if (place?.kind !== "present" || !place.isReachable) return true;
      return place.holder !== null && place.holder.is !== "gone" && place.holder.is !== "given_up";
    };
    expect(firstAgainst("running", isUnfounded)).toBeUndefined();
  });

  it.each(ALL)("keeps a create open until it is answered or over (%s)", (intent) => {
    const forgets = ({ state, step }: Asked): boolean =>
      state.creating !== null &&
      state.creating.sentAt === NOW &&
      (step.kind === "clear_create" || step.kind === "erase");
    expect(firstAgainst(intent, forgets)).toBeUndefined();
  });
});

it("waits out the pause after a failed step, whatever is seen", () => {
  const decision = decide(record({ intent: "running", retryAt: NOW + 1_000 }), saw(none), NOW);
  expect(decision).toMatchObject({ kind: "wait", until: NOW + 1_000 });
});

it("looks for lost ids before it acts on an intent to keep the instance", () => {
  for (const intent of KEPT) {
    const seen = saw(none, none, none, { inventory: { kind: "seen", machines: [], volumes: [] } });
    expect(decide(record({ intent, recovery: recovery() }), seen, NOW)).toMatchObject({ kind: "wait" });
  }
});

it("says the same thing about the same thing", () => {
  const state = record({ intent: "running", creating: openCreate("volume", { sentAt: NOW - HOUR_MS }) });
  expect(decide(state, saw(none), NOW)).toEqual(decide(state, saw(none), NOW));
});
