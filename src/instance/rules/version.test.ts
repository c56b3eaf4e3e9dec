import { expect, it } from "vitest";
import { decide } from "../decide.ts";
import type { InstanceState } from "../state.ts";
import { machineIn, MINUTE_MS, none, NOW, ready, saw, wanted } from "../testing/records.ts";

const seen = saw(machineIn("up", { imageDigest: null }), none, ready);
const running = (fields: Partial<InstanceState> = {}) =>
  decide(wanted({ status: "running", inventoryAt: null, ...fields }), seen, NOW);
const silentUntil = (againAt: number) => ({ ran: null, unanswered: { questions: 1, againAt } });

it("asks what runs once the gateway is ready, and tells `running` before it does", () => {
  expect(decide(wanted({ ran: null }), seen, NOW)).toMatchObject({
    kind: "step",
    step: { kind: "ask_version", id: "m1", instanceId: "i1", generation: 1, imageDigest: null },
    status: "running",
    problem: null,
  });
  const starting = saw(machineIn("up"), none, { kind: "starting", stage: "gateway" });
  expect(decide(wanted({ ran: null }), starting, NOW)).toMatchObject({ kind: "wait", on: "gateway" });
});

it("asks no more once it knows", () => {
  expect(running()).toMatchObject({ kind: "settled", againAt: null });
});

it("is at rest until it asks again, however silent the controller is", () => {
  expect(running(silentUntil(NOW + MINUTE_MS))).toMatchObject({
    kind: "settled",
    status: "running",
    againAt: NOW + MINUTE_MS,
  });
  expect(running(silentUntil(NOW))).toMatchObject({ step: { kind: "ask_version" } });
});
