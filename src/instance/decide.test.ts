import { describe, expect, it } from "vitest";
import { decide } from "./decide.ts";
import type { Observation } from "./observation.ts";
import type { InstanceState, Intent } from "./state.ts";
import type { Step } from "./step.ts";
import { canBeSeen, everyObservation, recordsUnder } from "./testing/cells.ts";
import { NOW, none, record, recovery, saw } from "./testing/records.ts";

/** A step that is asked for, with what it is asked for on. */
type Asked = { state: InstanceState; seen: Observation; step: Step };

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

/** What no step may ever be, under which intents. */
const LAWS: Record<string, { under: readonly Intent[]; isBrokenBy: (asked: Asked) => boolean }> = {
  "does nothing to a machine it knows nothing of": {
    under: ALL,
    isBrokenBy: ({ seen }) => seen.machine.kind === "unknown",
  },
  "does nothing to a machine of another tenant": {
    under: ALL,
    isBrokenBy: ({ seen: { machine }, step }) =>
      machine.kind === "present" && !machine.ours && ON_A_MACHINE.has(step.kind),
  },
  "does to a machine what it does by the id that it saw": {
    under: ALL,
    isBrokenBy: ({ seen: { machine }, step }) =>
      ON_A_MACHINE.has(step.kind) && "id" in step && (!("id" in machine) || machine.id !== step.id),
  },
  "destroys a machine that is to be kept only for a reason": { under: KEPT, isBrokenBy: isWanton },
  "copies what has data, and never stands an empty volume in for it": {
    under: KEPT,
    isBrokenBy: ({ state, step }) =>
      step.kind === "create_candidate" && step.source.kind === "empty" && state.volume?.hasData === true,
  },
  "makes a volume only where none of the name is known to exist": {
    under: KEPT,
    isBrokenBy: ({ state, seen: { volume }, step }) =>
      step.kind === "create_volume" &&
      (volume.kind !== "absent" || (state.volume !== null && state.volume.missing === null)),
  },
  "makes a machine only where none is seen, on a volume that is there and that nobody has": {
    under: KEPT,
    isBrokenBy: isUnfounded,
  },
  "keeps a create open until it is answered or over": {
    under: ALL,
    isBrokenBy: ({ state, step }) =>
      state.creating?.sentAt === NOW && (step.kind === "clear_create" || step.kind === "erase"),
  },
};

function isWanton({ state, seen: { machine, volume }, step }: Asked): boolean {
  if (step.kind !== "destroy_machine" || machine.kind !== "present") return false;
  const { mount } = machine;
  const isOnOurs = [state.volume?.id, state.candidate?.id].includes(mount?.volumeId);
  const isRightlyMounted = isOnOurs && mount?.isRightPath === true;
  const isWedged = state.watched !== null || state.lastError?.code === "machine_busy";
  const isInTheWay = state.candidate !== null || volume.kind === "absent";
  return isRightlyMounted && !isWedged && !isInTheWay;
}

function isUnfounded({ seen: { machine, volume, candidate }, step }: Asked): boolean {
  if (step.kind !== "create_machine") return false;
  if (machine.kind !== "none" && machine.kind !== "absent") return true;
  const place = [volume, candidate].find((at) => at.kind === "present" && at.id === step.volumeId);
  if (place?.kind !== "present" || !place.isReachable) return true;
  return place.holder !== null && place.holder.is !== "gone" && place.holder.is !== "given_up";
}

/** All kinds of steps that `decide` asks for under an intent, and for each law the first step that breaks it. */
type Survey = { cells: number; kinds: Set<Step["kind"]>; broken: Map<string, Asked> };

const SURVEYS = new Map<Intent, Survey>();

/** Goes once through everything that can be known and seen: millions of decisions, of which none is kept. */
function survey(intent: Intent): Survey {
  const known = SURVEYS.get(intent);
  if (known !== undefined) return known;
  const made: Survey = { cells: 0, kinds: new Set(), broken: new Map() };
  const laws = Object.entries(LAWS).filter(([, { under }]) => under.includes(intent));
  const observations = everyObservation();
  for (const state of recordsUnder(intent)) {
    for (const seen of observations) {
      if (!canBeSeen(state, seen)) continue;
      made.cells += 1;
      const decision = decide(state, seen, NOW);
      if (decision.kind !== "step") continue;
      const { step } = decision;
      made.kinds.add(step.kind);
      for (const [law, { isBrokenBy }] of laws) {
        const asked = { state, seen, step };
        if (!made.broken.has(law) && isBrokenBy(asked)) made.broken.set(law, asked);
      }
    }
  }
  SURVEYS.set(intent, made);
  return made;
}

describe("over everything that can be known and seen", () => {
  it("only deletes what is to be destroyed, and finds it", () => {
    expect(survey("destroyed").cells).toBeGreaterThan(1_000_000);
    expect(survey("destroyed").kinds).toEqual(
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
    expect(survey("stopped").kinds).toEqual(
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

  it("deletes no volume, no app and no record of what is to be running", () => {
    const { kinds } = survey("running");
    expect(kinds.isDisjointFrom(new Set(["delete_volume", "delete_app", "erase", "note_leftovers"]))).toBe(
      true,
    );
    // What the laws below are about does occur.
    for (const kind of ["create_volume", "create_machine", "create_candidate", "destroy_machine"] as const) {
      expect(kinds).toContain(kind);
    }
  });

  const cases = Object.entries(LAWS).flatMap(([law, { under }]) =>
    under.map((intent) => [law, intent] as const),
  );
  it.each(cases)("%s (%s)", (law, intent) => {
    expect(survey(intent).broken.get(law)).toBeUndefined();
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
