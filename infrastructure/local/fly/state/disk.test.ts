import { appendFile, cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { freshDirectory } from "../testing/fly.ts";
import { openState } from "./disk.ts";
import type { App } from "./model.ts";

const quiet = (): undefined => undefined;

it("finds again what was saved, though the process was killed", async () => {
  const directory = await freshDirectory();
  const killed = await openState(directory, quiet);
  onTestFinished(killed.close);
  killed.store.apps.put(app("one"));
  killed.store.apps.put(app("two"));
  killed.store.apps.delete("one");
  await killed.saved();
  const found = await openState(await asLeft(directory), quiet);
  expect([...found.store.apps.values()]).toEqual([app("two")]);
  await found.close();
});

it("keeps the whole state in state.json once it is closed", async () => {
  const directory = await freshDirectory();
  const state = await openState(directory, quiet);
  state.store.apps.put(app("one"));
  await state.close();
  const document: unknown = JSON.parse(await readFile(join(directory, "state.json"), "utf8"));
  expect(document).toMatchObject({ version: 1, apps: [app("one")], machines: [] });
  expect(await readFile(join(directory, "state.log"), "utf8")).toBe("");
});

it("folds the log into state.json when it has grown large", async () => {
  const directory = await freshDirectory();
  const state = await openState(directory, quiet);
  const large = app("large", "x".repeat(1024 * 1024));
  for (let round = 0; round < 6; round += 1) {
    state.store.apps.put(large);
    await state.saved();
  }
  const log = await readFile(join(directory, "state.log"), "utf8");
  expect(log.length).toBeLessThan(3 * 1024 * 1024);
  await state.close();
  const found = await openState(directory, quiet);
  expect(found.store.apps.get("large")).toEqual(large);
  await found.close();
});

it("ignores a line that was cut off while it was written", async () => {
  const directory = await freshDirectory();
  const killed = await openState(directory, quiet);
  onTestFinished(killed.close);
  killed.store.apps.put(app("whole"));
  await killed.saved();
  const left = await asLeft(directory);
  await appendFile(join(left, "state.log"), '{"kind":"app","key":"ha');
  const found = await openState(left, quiet);
  expect([...found.store.apps.values()].map(({ name }) => name)).toEqual(["whole"]);
  await found.close();
});

it.each([
  ["no JSON", "{ this is not"],
  ["a version of the future", JSON.stringify({ version: 2, apps: [] })],
  ["rows that are none", JSON.stringify({ version: 1, apps: [{ name: "half" }], machines: [] })],
])("refuses a state with %s and leaves it as it is", async (_what, text) => {
  const path = join(await freshDirectory(), "state.json");
  await writeFile(path, text);
  await expect(openState(join(path, ".."), quiet)).rejects.toThrow(/left as it is/);
  expect(await readFile(path, "utf8")).toBe(text);
});

it("refuses a log with an unreadable line before its last", async () => {
  const directory = await freshDirectory();
  await writeFile(join(directory, "state.log"), 'nonsense\n{"kind":"app","key":"a","row":null}\n');
  await expect(openState(directory, quiet)).rejects.toThrow(/state\.log, line 1/);
});

/** The directory as a process leaves it that is killed at this moment. */
async function asLeft(directory: string): Promise<string> {
  const copy = await freshDirectory();
  await cp(directory, copy, { recursive: true });
  return copy;
}

function app(name: string, network = "default"): App {
  return {
    id: `id-${name}`,
    numericId: 1,
    name,
    orgSlug: "kilo",
    network,
    createdAt: 0,
    isDeleting: false,
    secretsVersion: 0,
    secrets: {},
    ips: [],
  };
}
