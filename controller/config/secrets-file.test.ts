import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeSecretsDirectory, removeSecretsDirectory, writeSecretsFile } from "./secrets-file.ts";

let root: string;
let path: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kiloclaw-secrets-"));
  path = join(root, "private", "secrets.json");
});
afterEach(() => rm(root, { recursive: true, force: true }));

it("holds the secrets that are set, and nothing else, for its owner alone", async () => {
  await makeSecretsDirectory(path);
  await writeSecretsFile(path, { KILOCODE_API_KEY: "key", SLACK_APP_TOKEN: "", MY_OWN: "mine" });
  expect(JSON.parse(await readFile(path, "utf8"))).toEqual({ KILOCODE_API_KEY: "key" });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
});

it("is written anew for other secrets, and is gone with its directory", async () => {
  await makeSecretsDirectory(path);
  await writeSecretsFile(path, { KILOCODE_API_KEY: "one" });
  await writeSecretsFile(path, { KILOCODE_API_KEY: "two" });
  expect(await readdir(dirname(path))).toEqual(["secrets.json"]);
  expect(await readFile(path, "utf8")).toContain("two");
  await removeSecretsDirectory(path);
  expect(await readdir(root)).toEqual([]);
});

it("begins without what a controller that was killed left there", async () => {
  await mkdir(dirname(path), { mode: 0o755 });
  await writeFile(path, "left behind");
  await makeSecretsDirectory(path);
  expect(await readdir(dirname(path))).toEqual([]);
  expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
});
