import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { updateConfigFile } from "./file.ts";
import type { JsonObject } from "./json.ts";

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kiloclaw-config-"));
  path = join(directory, ".openclaw", "openclaw.json");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const addOurs = (user: JsonObject): JsonObject => ({ ...user, ours: true });
const update = (): ReturnType<typeof updateConfigFile> => updateConfigFile(path, JSON.parse, addOurs);
const content = async (): Promise<unknown> => JSON.parse(await readFile(path, "utf8"));

async function given(text: string): Promise<void> {
  await mkdir(join(directory, ".openclaw"));
  await writeFile(path, text);
}

it("begins a file where there is none, readable by its owner only", async () => {
  expect(await update()).toEqual({ kind: "written", refusedKeys: [] });
  expect(await content()).toEqual({ ours: true });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(directory, ".openclaw"))).mode & 0o777).toBe(0o700);
});

it("keeps the user's keys, and the previous file beside the new one", async () => {
  await given('{"mine": [1]}');
  expect(await update()).toMatchObject({ kind: "written" });
  expect(await content()).toEqual({ mine: [1], ours: true });
  expect(await readFile(`${path}.before-kiloclaw`, "utf8")).toBe('{"mine": [1]}');
  expect((await readdir(join(directory, ".openclaw"))).toSorted()).toEqual([
    "openclaw.json",
    "openclaw.json.before-kiloclaw",
  ]);
});

it("does not touch a file that is as it should be", async () => {
  await given('{ "ours": true,\n "formatted": "by hand" }');
  const before = await stat(path);
  expect(await update()).toEqual({ kind: "unchanged", refusedKeys: [] });
  expect((await stat(path)).ino).toBe(before.ino);
  expect(await readFile(path, "utf8")).toBe('{ "ours": true,\n "formatted": "by hand" }');
});

it.each([
  ["a half-written file", '{"mine": tr'],
  ["an empty file", ""],
  ["something that is no object", "[1, 2]"],
  ["endless nesting", `${'{"a":'.repeat(100)}1${"}".repeat(100)}`],
  ["a file of absurd size", " ".repeat(4_000_001)],
])("sets %s aside, with its content, and begins anew", async (_, text) => {
  await given(text);
  const outcome = await update();
  if (outcome.kind !== "begun_anew") throw new Error(`the outcome is ${outcome.kind}`);
  expect(outcome.setAside).toMatch(/openclaw\.json\.unreadable-\d{4}-/);
  expect(await readFile(outcome.setAside, "utf8")).toBe(text);
  expect(await content()).toEqual({ ours: true });
});

it("sets a directory in the file's place aside", async () => {
  await mkdir(path, { recursive: true });
  expect(await update()).toMatchObject({ kind: "begun_anew", reason: "it is not a regular file" });
  expect(await content()).toEqual({ ours: true });
});

it("waits for nobody where FIFOs stand in its way", async () => {
  await given("{}");
  await promisify(execFile)("mkfifo", [`${path}.before-kiloclaw`]);
  expect(await update()).toMatchObject({ kind: "written" });
  expect(await readFile(`${path}.before-kiloclaw`, "utf8")).toBe("{}");
  await rm(path);
  await promisify(execFile)("mkfifo", [path]);
  expect(await update()).toMatchObject({ kind: "begun_anew", reason: "it is not a regular file" });
});

it("leaves out keys that reach into prototypes, and names them", async () => {
  await given('{"a": {"__proto__": {"polluted": true}}, "constructor": {"prototype": {}}, "ours": true}');
  expect(await update()).toEqual({ kind: "written", refusedKeys: [".a.__proto__", ".constructor"] });
  expect(await content()).toEqual({ a: {}, ours: true });
  expect({}).not.toHaveProperty("polluted");
});

it("follows a link to read and replaces it by a file, leaving what it pointed to alone", async () => {
  await mkdir(join(directory, ".openclaw"));
  const elsewhere = join(directory, "elsewhere.json");
  await writeFile(elsewhere, '{"mine": 1}');
  await symlink(elsewhere, path);
  expect(await update()).toMatchObject({ kind: "written" });
  expect(await content()).toEqual({ mine: 1, ours: true });
  expect(await readFile(elsewhere, "utf8")).toBe('{"mine": 1}');
});

it("reports that it cannot write, and leaves what is there as it was", async () => {
  await writeFile(join(directory, ".openclaw"), "a file in the directory's place");
  expect(await update()).toMatchObject({ kind: "failed", reason: expect.stringContaining("EEXIST") });
  expect(await readFile(join(directory, ".openclaw"), "utf8")).toBe("a file in the directory's place");
});

it("tightens the mode of a file that it replaces", async () => {
  await given("{}");
  await chmod(path, 0o644);
  await update();
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(`${path}.before-kiloclaw`)).mode & 0o777).toBe(0o600);
});
