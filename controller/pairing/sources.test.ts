import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createCli, type Cli } from "../gateway/cli.ts";
import { createStoredChannels } from "./sources.ts";

const request = { id: "555001", code: "H8VEC6RB", createdAt: "2026-11-20T09:14:41.592Z", meta: {} };
let stateDir: string;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "kiloclaw-pairing-"));
  await mkdir(join(stateDir, "credentials"));
});
afterEach(() => rm(stateDir, { recursive: true }));

/** A program in the place of OpenClaw's command line, which notes what it was called with. */
const COMMAND_LINE = `
const { appendFileSync } = require("node:fs");
const [file, code, words, ...args] = process.argv.slice(1);
appendFileSync(file, JSON.stringify(args) + "\\n");
console.error(words);
if (code === "hang") setInterval(() => undefined, 60_000);
else process.exitCode = Number(code);
`;

function commandLine(code: number | "hang", words = ""): Cli {
  const cli = createCli((args) => ({
    file: process.execPath,
    args: ["-e", COMMAND_LINE, join(stateDir, "calls"), String(code), words, ...args],
    env: {},
    cwd: stateDir,
  }));
  // The bound of a call is the caller's to choose; here nobody waits for the usual one.
  return { ...cli, run: (args) => cli.run(args, 1_000) };
}

async function calls(): Promise<readonly unknown[]> {
  const text = await readFile(join(stateDir, "calls"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
}

function source(configured: readonly string[] | null = ["telegram", "slack"], cli = commandLine(0)) {
  return createStoredChannels({ stateDir, configured: async () => configured, cli });
}

const store = (channel: string): string => join(stateDir, "credentials", `${channel}-pairing.json`);

describe("the requests that OpenClaw 2026.2 keeps in files", () => {
  it("are those of each configured channel, none where it has no file", async () => {
    await writeFile(store("telegram"), JSON.stringify({ version: 1, requests: [request, { id: "half" }] }));
    await writeFile(store("discord"), JSON.stringify({ version: 1, requests: [request] }));
    expect(await source().look()).toEqual({
      kind: "looked",
      parts: new Map<string, unknown>([
        ["telegram", [expect.objectContaining({ channel: "telegram", code: "H8VEC6RB" })]],
        ["slack", []],
      ]),
    });
  });

  it.each<[string, (path: string) => Promise<unknown>]>([
    ["is corrupt", (path) => writeFile(path, '{"requests":[{')],
    ["has another shape", (path) => writeFile(path, "[]")],
    [
      "is a link",
      async (path) => {
        await writeFile(join(stateDir, "elsewhere"), JSON.stringify({ requests: [] }));
        await symlink(join(stateDir, "elsewhere"), path);
      },
    ],
    [
      "has a gigabyte",
      async (path) => {
        await writeFile(path, "");
        await truncate(path, 1_000_000_000);
      },
    ],
    ["is a FIFO", (path) => promisify(execFile)("mkfifo", [path])],
    ["is a directory", (path) => mkdir(path)],
  ])("M07 can't be had from a file that %s, and the other channels' can", async (_, put) => {
    await put(store("telegram"));
    expect(await source().look()).toEqual({
      kind: "looked",
      parts: new Map<string, unknown>([
        ["telegram", null],
        ["slack", []],
      ]),
    });
  });

  it("are not looked for outside of the directory, whatever a configuration names", async () => {
    expect(await source(["../../etc", "telegram"]).look()).toEqual({
      kind: "looked",
      parts: new Map([["telegram", []]]),
    });
  });

  it("can't be had while the configuration can't be read", async () => {
    expect(await source(null).look()).toEqual({ kind: "failed" });
  });
});

describe("an approval by the command line", () => {
  const approval = { channel: "telegram", code: "H8VEC6RB" };

  it("passes channel, code and account as arguments of their own", async () => {
    const approved = { kind: "approved", value: null };
    expect(await source().approve({ ...approval, accountId: "work" })).toEqual(approved);
    expect(await calls()).toEqual([
      ["pairing", "approve", "telegram", "H8VEC6RB", "--account", "work", "--notify"],
    ]);
  });

  it.each<[string, () => Cli, unknown]>([
    [
      "nobody waits with that code",
      () => commandLine(1, "No pending pairing request found for code: H8VEC6RB"),
      { kind: "not_pending" },
    ],
    ["it fails", () => commandLine(1, "Error: something else"), { kind: "failed", why: "refused" }],
    ["it hangs", () => commandLine("hang"), { kind: "failed", why: "timeout" }],
  ])("says so when %s", async (_, cli, expected) => {
    expect(await source(["telegram"], cli()).approve(approval)).toEqual(expected);
  });

  it("starts nothing once the command line is closed", async () => {
    const cli = commandLine(0);
    await cli.close();
    expect(await source(["telegram"], cli).approve(approval)).toEqual({ kind: "failed", why: "refused" });
    await expect(calls()).rejects.toThrow("ENOENT");
  });

  it("runs one process at a time, and refuses what would pile up", async () => {
    const cli = commandLine(0);
    const results = await Promise.all(Array.from({ length: 12 }, () => source([], cli).approve(approval)));
    const kinds = results.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "approved")).toHaveLength(8);
    expect(kinds.filter((kind) => kind === "failed")).toHaveLength(4);
  });

  it("is not tried with a request's id, which this version does not have", async () => {
    expect(await source().approve({ channel: "telegram", requestId: "r1" })).toEqual({ kind: "not_pending" });
    await expect(calls()).rejects.toThrow("ENOENT");
  });
});
