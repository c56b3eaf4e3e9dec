import { describe, expect, it } from "vitest";
import { decide } from "../decide.ts";
import type { Inventory } from "../observation.ts";
import {
  freeVolume,
  knownCandidate,
  leftover,
  machineIn,
  MINUTE_MS,
  none,
  NOW,
  ready,
  saw,
  unknown,
  unwanted,
  wanted,
} from "../testing/records.ts";

const atRest = [
  ["running", wanted(), saw(machineIn("up"), none, ready)],
  ["stopped", unwanted(), saw(machineIn("down"))],
] as const;

describe.each(atRest)("of an instance that is at rest (%s)", (_what, state, seen) => {
  const look = (inventory: Inventory, fields: Partial<typeof state> = {}) =>
    decide({ ...state, ...fields }, { ...seen, inventory }, NOW);

  it("what a list hid before is noted, and kept, since nobody knows whether it is needed", () => {
    const machines = [machineIn("up"), machineIn("down", { id: "m7" })];
    const volumes = [freeVolume, { ...freeVolume, id: "vol_7" }];
    expect(look({ kind: "seen", machines, volumes })).toMatchObject({
      step: {
        kind: "note_found",
        found: [
          { kind: "machine", id: "m7" },
          { kind: "volume", id: "vol_7" },
        ],
      },
    });
  });

  it("what is known is not noted again", () => {
    const volumes = [freeVolume, { ...freeVolume, id: "vol_9" }];
    const inventory: Inventory = { kind: "seen", machines: [machineIn("up")], volumes };
    expect(look(inventory, { leftovers: [leftover({ notBefore: NOW + MINUTE_MS })] })).toMatchObject({
      step: { kind: "note_found", found: [] },
    });
  });

  it("what Fly did not tell is asked again later", () => {
    expect(look(unknown)).toMatchObject({ step: { kind: "postpone_inventory" } });
  });

  it("the time of the next look ends the rest", () => {
    const later = { ...state, inventoryAt: NOW + MINUTE_MS };
    expect(decide(later, seen, NOW)).toMatchObject({ kind: "settled", againAt: NOW + MINUTE_MS });
  });
});

it("does not take a copy that is under way for something that nobody knows", () => {
  const copy = { ...freeVolume, id: "vol_2" };
  const seen = saw(machineIn("up"), none, ready, {
    candidate: copy,
    inventory: { kind: "seen", machines: [], volumes: [freeVolume, copy] },
  });
  // It goes first, since it is not needed.
  expect(decide(wanted({ candidate: knownCandidate }), seen, NOW)).toMatchObject({
    step: { kind: "drop_candidate" },
  });
});
