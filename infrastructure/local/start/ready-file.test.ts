import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { removeReadyFile, writeReadyFile } from "./ready-file.ts";

const READY = {
  workerUrl: "http://127.0.0.1:8787",
  flyApiUrl: "http://127.0.0.1:4280",
  flyProxyUrl: "http://127.0.0.1:4281",
  databaseUrl: "postgres://postgres:p@127.0.0.1:54329/kiloclaw",
  internalApiSecret: "s",
  userId: "demo-user",
  signInUrl: "http://127.0.0.1:8787/kilo-access-gateway?userId=demo-user",
  accessCode: "ABCDE-23456",
};

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "kiloclaw-ready-"));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

it("holds exactly what is promised, for its owner only, with no half-written file beside it", async () => {
  const path = join(dir, "ready.json");
  await writeReadyFile(path, READY);
  expect(JSON.parse(await readFile(path, "utf8"))).toEqual(READY);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(dir)).toEqual(["ready.json"]);
});

it("can be removed, also when it is not there", async () => {
  const path = join(dir, "ready.json");
  await writeReadyFile(path, READY);
  await removeReadyFile(path);
  await removeReadyFile(path);
  expect(await readdir(dir)).toEqual([]);
});
