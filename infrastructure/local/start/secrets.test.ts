import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadSecrets } from "./secrets.ts";

let dir: string;
let path: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "kiloclaw-secrets-"));
  path = join(dir, "secrets.json");
});

afterEach(() => rm(dir, { recursive: true, force: true }));

describe("the local secrets", () => {
  it("are made once, all different and long, and found again", async () => {
    const made = await loadSecrets(path);
    const values = Object.values(made);
    expect(new Set(values).size).toBe(values.length);
    for (const value of values) expect(value.length).toBeGreaterThanOrEqual(43);
    expect(await loadSecrets(path)).toEqual(made);
  });

  it("get the key that they lack, and keep the others, where they are of before there was one", async () => {
    const { agentEnvVarsPrivateKey: _, ...before } = await loadSecrets(path);
    await writeFile(path, JSON.stringify(before));
    const completed = await loadSecrets(path);
    expect(completed).toMatchObject(before);
    expect(completed.agentEnvVarsPrivateKey).toContain("-----BEGIN PRIVATE KEY-----");
    expect(await loadSecrets(path)).toEqual(completed);
  });

  it("can be read by their owner only, even after somebody opened them up", async () => {
    await loadSecrets(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await chmod(path, 0o644);
    await loadSecrets(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it.each([
    ["is cut off", '{"nextAuthSecret": "abc'],
    ["lacks some", "{}"],
  ])("are not replaced in silence when the file %s", async (_what, text) => {
    await writeFile(path, text);
    await expect(loadSecrets(path)).rejects.toThrow(/can't be understood.*--fresh/u);
    expect(await readFile(path, "utf8")).toBe(text);
  });
});
