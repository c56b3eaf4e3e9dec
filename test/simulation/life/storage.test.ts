import { expect, it } from "vitest";
import type { InstanceEvent } from "../../../src/instance/events.ts";
import { SimulatedStorage } from "./storage.ts";

const event = (what: string): InstanceEvent => ({
  at: 1,
  kind: "step",
  what,
  why: "",
  outcome: null,
  durationMs: null,
});

it("loses with a crash what was written since it was last durable, and all of it", () => {
  const storage = new SimulatedStorage();
  storage.append(event("kept"));
  storage.commit();
  storage.append(event("lost"));
  void storage.setAlarm(7);
  storage.rollback();
  expect(storage.durable).toMatchObject({ alarm: null, events: [{ what: "kept" }] });
  expect(storage.isDirty).toBe(false);
});

it("lets a write be waited for until it is durable", async () => {
  const storage = new SimulatedStorage();
  let isWritten = false;
  const written = storage.setAlarm(7).then(() => {
    isWritten = true;
  });
  expect(isWritten).toBe(false);
  expect(storage.commit()).toBe(true);
  await written;
  expect(storage.durable.alarm).toBe(7);
});

it("keeps an alarm that was taken off to ring in mind until it is set or deleted", () => {
  const storage = new SimulatedStorage();
  void storage.setAlarm(7);
  storage.commit();
  storage.takeAlarm();
  expect(storage.durable).toMatchObject({ alarm: null, isRinging: true });
  void storage.setAlarm(9);
  storage.commit();
  expect(storage.durable).toMatchObject({ alarm: 9, isRinging: false });
});
