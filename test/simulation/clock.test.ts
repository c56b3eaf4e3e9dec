import { expect, it } from "vitest";
import { EPOCH_MS, VirtualClock } from "./clock.ts";

it("lets things happen when they are due, and in the order of their asking where that is at once", () => {
  const clock = new VirtualClock();
  const happened: [string, number][] = [];
  const happens = (name: string) => (): void => {
    happened.push([name, clock.now() - EPOCH_MS]);
  };
  clock.at(20, happens("late"));
  clock.at(10, happens("first"));
  clock.at(10, happens("second"));
  const takeBack = clock.at(15, happens("never"));
  clock.at(5, takeBack);
  while (clock.advance(EPOCH_MS + 19));
  expect(happened).toEqual([
    ["first", 10],
    ["second", 10],
  ]);
  expect(clock.now()).toBe(EPOCH_MS + 19);
  while (clock.advance(EPOCH_MS + 20));
  expect(happened.at(-1)).toEqual(["late", 20]);
});

it("keeps its order over many things", () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const delays = Array.from({ length: 500 }, (_, index) => (index * 7_919) % 503);
  for (const delay of delays) clock.at(delay, () => seen.push(delay));
  while (clock.advance(EPOCH_MS + 1_000));
  expect(seen).toEqual(delays.toSorted((a, b) => a - b));
});

it("ends a sleep when its signal fires", async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const slept = clock.sleep(1_000, stop.signal);
  stop.abort();
  await slept;
  expect(clock.now()).toBe(EPOCH_MS);
});
