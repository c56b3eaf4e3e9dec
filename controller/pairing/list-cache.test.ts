import { expect, it } from "vitest";
import { createListCache, type Looked } from "./list-cache.ts";

interface Item {
  readonly id: string;
  readonly expiresAt: string;
}

const START = Date.parse("2026-11-20T12:00:00Z");
const item = (id: string, livesMs = 60_000): Item => ({
  id,
  expiresAt: new Date(START + livesMs).toISOString(),
});

/** A cache whose looks are answered one by one by the test, in the order in which they begin. */
function setUp() {
  const looks: ((looked: Looked<Item>) => void)[] = [];
  const clock = { at: START };
  const cache = createListCache<Item>({
    look: () => new Promise((resolve) => looks.push(resolve)),
    now: () => clock.at,
  });
  const answer = (looked: Looked<Item>): void => {
    const next = looks.shift();
    if (next === undefined) throw new Error("nothing was asked");
    next(looked);
  };
  const ids = (part = "telegram"): string[] =>
    cache
      .parts()
      .get(part)
      ?.items.map(({ id }) => id) ?? [];
  return { cache, looks, answer, ids, clock };
}

const looked = (parts: Record<string, readonly Item[] | null>): Looked<Item> => ({
  kind: "looked",
  parts: new Map(Object.entries(parts)),
});

it("knows nothing, and says so, before the first look", () => {
  const { cache } = setUp();
  expect(cache.parts().size).toBe(0);
  expect(cache.state()).toEqual({ refreshedAt: null, isStale: true });
});

it("asks once for all who ask at the same time", async () => {
  const { cache, looks, answer, ids } = setUp();
  const all = Promise.all([cache.refresh(), cache.refresh(), cache.refresh()]);
  expect(looks).toHaveLength(1);
  answer(looked({ telegram: [item("a")] }));
  await all;
  expect(ids()).toEqual(["a"]);
  expect(cache.state()).toEqual({ refreshedAt: START, isStale: false });
});

it("does not bring back what was removed while it looked, and looks once more", async () => {
  const { cache, looks, answer, ids } = setUp();
  const first = cache.refresh();
  answer(looked({ telegram: [item("a"), item("b")] }));
  await first;
  const early = cache.refresh();
  cache.remove(({ id }) => id === "a");
  expect(ids()).toEqual(["b"]);
  const late = Promise.all([cache.refresh(), cache.refresh()]);
  expect(looks).toHaveLength(1);
  answer(looked({ telegram: [item("a"), item("b")] }));
  await early;
  expect(ids()).toEqual(["b"]);
  expect(looks).toHaveLength(1);
  answer(looked({ telegram: [item("b"), item("c")] }));
  await late;
  expect(ids()).toEqual(["b", "c"]);
  expect(looks).toHaveLength(0);
});

it("looks once more for all that happened while it looked, however much that was, and shows what it found meanwhile", async () => {
  const { cache, looks, answer, ids } = setUp();
  const first = cache.refresh();
  const later = Array.from({ length: 200 }, () => {
    cache.outdate();
    return cache.refresh();
  });
  answer(looked({ telegram: [item("a")] }));
  await first;
  expect(ids()).toEqual(["a"]);
  expect(looks).toHaveLength(1);
  answer(looked({ telegram: [item("a"), item("b")] }));
  await Promise.all(later);
  expect(ids()).toEqual(["a", "b"]);
  expect(looks).toHaveLength(0);
});

it("keeps the last good items of a part that fails, marked stale with their age, and refreshes the others", async () => {
  const { cache, answer, clock } = setUp();
  const first = cache.refresh();
  answer(looked({ telegram: [item("a")], slack: [item("s")] }));
  await first;
  clock.at += 1_000;
  const second = cache.refresh();
  answer(looked({ telegram: null, slack: [] }));
  await second;
  expect(Object.fromEntries(cache.parts())).toEqual({
    telegram: { items: [item("a")], refreshedAt: START, isStale: true },
    slack: { items: [], refreshedAt: START + 1_000, isStale: false },
  });
});

it("keeps everything, marked stale, when nothing can be had, also when that is said by throwing", async () => {
  const { cache, answer, ids } = setUp();
  const first = cache.refresh();
  answer(looked({ telegram: [item("a")] }));
  await first;
  const second = cache.refresh();
  answer({ kind: "failed" });
  await second;
  expect(ids()).toEqual(["a"]);
  expect(cache.parts().get("telegram")?.isStale).toBe(true);
  expect(cache.state()).toEqual({ refreshedAt: START, isStale: true });
  const failing = createListCache<Item>({ look: () => Promise.reject(new Error("no gateway")) });
  await failing.refresh();
  expect(failing.state()).toEqual({ refreshedAt: null, isStale: true });
});

it("forgets a part that is not configured any more, with its items", async () => {
  const { cache, answer } = setUp();
  const first = cache.refresh();
  answer(looked({ telegram: [item("a")], slack: [item("s")] }));
  await first;
  const second = cache.refresh();
  answer(looked({ telegram: [item("a")] }));
  await second;
  expect([...cache.parts().keys()]).toEqual(["telegram"]);
});

it("lets items past their lifetime drop out without a look", async () => {
  const { cache, answer, ids, clock } = setUp();
  const first = cache.refresh();
  answer(looked({ telegram: [item("short", 5_000), item("long", 50_000)] }));
  await first;
  clock.at += 5_000;
  expect(ids()).toEqual(["long"]);
});
