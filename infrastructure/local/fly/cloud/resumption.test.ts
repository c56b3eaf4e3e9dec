import { expect, it } from "vitest";
import { machineStateSchema } from "../state/model.ts";
import { machineWith } from "../testing/machine.ts";
import { resumptionOf } from "./resumption.ts";

it("starts every machine again that should run and has lost its process", () => {
  const states = ["created", "starting", "started", "restarting", "failed"] as const;
  for (const state of states) {
    expect(resumptionOf(machineWith({ state, target: "started" }), true)).toBe("start");
  }
  expect(resumptionOf(machineWith({ state: "started", target: "started" }), false)).toBe("nothing");
  const unprepared = machineWith({ state: "created", target: "started", prepared: false });
  expect(resumptionOf(unprepared, true)).toBe("launch");
});

it("has a way on from every transitional state", () => {
  const settled = new Set(["created", "started", "stopped", "suspended", "failed", "destroyed"]);
  for (const state of machineStateSchema.options.filter((option) => !settled.has(option))) {
    for (const target of ["started", "stopped", "suspended", "destroyed"] as const) {
      expect([state, target, resumptionOf(machineWith({ state, target }), true)]).not.toContain("nothing");
    }
  }
});

it("leaves alone what is where it should be", () => {
  for (const state of ["created", "stopped", "suspended", "destroyed"] as const) {
    expect(resumptionOf(machineWith({ state, target: state }), true)).toBe("nothing");
  }
});
