import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { makeLocalDirectory } from "./paths.ts";

it("makes a directory that nobody else can look into", async () => {
  const parent = await mkdtemp(join(tmpdir(), "kiloclaw-paths-"));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  const dir = join(parent, "new", "state");
  await makeLocalDirectory(dir);
  expect((await stat(dir)).mode & 0o066).toBe(0);
});
