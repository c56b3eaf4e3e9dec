/** What runs in a machine by exec, with a stand-in for OpenClaw's command line, where no gateway runs whose environment it could take. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CLI_SCRIPT } from "../../src/gateway/cli-script.ts";
import { DOCTOR_SCRIPT } from "../../src/gateway/doctor-script.ts";

const STAND_IN = new URL("../support/stand-in-openclaw.ts", import.meta.url).href;
let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "kiloclaw-cli-script-"));
  const packageDir = join(home, "openclaw", "node_modules", "openclaw");
  await mkdir(packageDir, { recursive: true });
  await writeFile(join(packageDir, "openclaw.mjs"), `await import(${JSON.stringify(STAND_IN)});\n`);
  for (const channel of ["telegram", "discord", "slack"])
    await mkdir(join(home, "pairing", channel), { recursive: true });
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function run(script: string, request: Record<string, unknown>, openclawDir = join(home, "openclaw")) {
  const argument = JSON.stringify({ timeoutMs: 20_000, outputCharsMax: 2_000, ...request });
  const child = spawn(process.execPath, ["-e", script, "--", argument], {
    env: {
      HOME: home,
      OPENCLAW_DIR: openclawDir,
      OPENCLAW_STATE_DIR: home,
      OPENCLAW_GATEWAY_PASSWORD: "gateway-password",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return JSON.parse(output);
}

it("gives what one command leaves of the time to the next, and none is waited for for ever", async () => {
  const channels = { telegram: {}, discord: {}, slack: {} };
  await writeFile(join(home, "openclaw.json"), JSON.stringify({ channels }));
  await writeFile(join(home, "pairing", "telegram", "hangs"), "");
  await writeFile(join(home, "pairing", "slack", "hangs"), "");
  const { runs } = await run(CLI_SCRIPT, { commands: "channels", timeoutMs: 5_000 });
  expect(runs).toMatchObject([
    { args: ["pairing", "list", "telegram", "--json"], exitCode: null, timedOut: true },
    { args: ["pairing", "list", "discord", "--json"], exitCode: 0, timedOut: false },
    { args: ["pairing", "list", "slack", "--json"], exitCode: null, timedOut: true },
  ]);
});

it("hands arguments on as they are, whatever is in them", async () => {
  const hostile = ["; exit 7", "$(id)", "`id`", "--eval", "-e", '"', "\n", "%s", ""];
  const { runs } = await run(CLI_SCRIPT, { commands: [["pairing", "approve", "telegram", ...hostile]] });
  expect(runs[0]).toMatchObject({ exitCode: 1, args: ["pairing", "approve", "telegram", ...hostile] });
  expect(runs[0].stderr).toContain("found for code: ; exit 7");
});

it("keeps the end of what is printed, without the gateway's secrets", async () => {
  const { runs } = await run(CLI_SCRIPT, { commands: [["doctor"]], outputCharsMax: 30 });
  expect(runs[0].stdout).toBe("d the password is [redacted].\n");
});

it("says where there is no OpenClaw", async () => {
  const nowhere = join(home, "nowhere");
  expect(await run(CLI_SCRIPT, { commands: [["--version"]] }, nowhere)).toEqual({ problem: "no_openclaw" });
  expect(await run(DOCTOR_SCRIPT, { verb: "start", fix: false }, nowhere)).toEqual({
    problem: "no_openclaw",
  });
});

it("ends a doctor that takes too long, and tells of one that was ended with the machine", async () => {
  await writeFile(join(home, "doctor-hangs"), "");
  expect(await run(DOCTOR_SCRIPT, { verb: "start", fix: true, timeoutMs: 300 })).toMatchObject({ fix: true });
  const read = () => run(DOCTOR_SCRIPT, { verb: "read" });
  await expect.poll(read, { timeout: 10_000 }).toMatchObject({ state: "timed_out", exitCode: null });
  const note = { state: "running", fix: false, startedAt: "2026-11-20T12:00:00.000Z", endedAt: null };
  const gone = {
    ...note,
    exitCode: null,
    output: "",
    process: { pid: process.pid, identity: "another boot 1" },
  };
  await writeFile(join(home, ".kiloclaw", "doctor-by-exec.json"), JSON.stringify(gone));
  expect(await read()).toEqual({ ...note, state: "failed", exitCode: null, output: "" });
  expect(await run(DOCTOR_SCRIPT, { verb: "cancel" })).toMatchObject({ state: "failed" });
});
