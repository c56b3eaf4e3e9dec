import { execFile } from "node:child_process";
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ensureOpenClaw, OPENCLAW_PIN, OPENCLAW_VERSIONS, openClawDir } from "./openclaw.ts";

/** A pnpm that notes its call and installs an OpenClaw that knows nothing but its version. */
const STAND_IN_PNPM = `
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
appendFileSync(process.env.CALLS, process.argv.slice(2).join(" ") + " CI=" + process.env.CI + "\\n");
console.log("Progress: resolved 327, downloaded 0");
if (process.env.FAIL) { console.error("ERR_PNPM_FETCH_404"); process.exit(1); }
mkdirSync("node_modules/openclaw", { recursive: true });
writeFileSync("node_modules/openclaw/openclaw.mjs", "console.log('OpenClaw " + process.env.VERSION + " (abc)')");
`;

/** A first installation, on a slow line. */
const INSTALL_TIMEOUT_MS = 300_000;

let directory: string;
let lines: string[];
let calls: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kiloclaw-pin-"));
  for (const name of ["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml"]) {
    await cp(join(openClawDir(OPENCLAW_PIN), name), join(directory, name));
  }
  await writeFile(join(directory, "pnpm.mjs"), STAND_IN_PNPM);
  calls = join(directory, "calls");
  await writeFile(calls, "");
  lines = [];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function ensure(env: Record<string, string> = {}): Promise<{ dir: string }> {
  const stand = { CALLS: calls, VERSION: "2026.9.6", npm_execpath: join(directory, "pnpm.mjs") };
  return ensureOpenClaw({
    directory,
    log: (line) => lines.push(line),
    env: { PATH: process.env["PATH"], ...stand, ...env },
  });
}

const callCount = async (): Promise<number> => (await readFile(calls, "utf8")).split("\n").length - 1;

it("installs from the lockfile with the pnpm that runs us, shows progress, and returns at once afterwards", async () => {
  expect(await ensure()).toEqual({ dir: directory });
  expect(await readFile(calls, "utf8")).toBe(
    "install --frozen-lockfile --prod --reporter=append-only CI=true\n",
  );
  expect(lines).toContain("Progress: resolved 327, downloaded 0");
  expect(lines.at(-1)).toBe("OpenClaw 2026.9.6 is installed");
  await ensure();
  expect(await callCount()).toBe(1);
});

it("installs once for all who ask at the same time", async () => {
  await Promise.all([ensure(), ensure(), ensure()]);
  expect(await callCount()).toBe(1);
});

it("installs again when the lockfile has changed", async () => {
  await ensure();
  await writeFile(join(directory, "pnpm-lock.yaml"), "lockfileVersion: '9.0'\n");
  await ensure();
  expect(await callCount()).toBe(2);
});

it("installs again what was broken off", async () => {
  await expect(ensure({ FAIL: "1" })).rejects.toThrow(/ended with 1:[^]*ERR_PNPM_FETCH_404/);
  await ensure();
  expect(await callCount()).toBe(2);
});

it("does not believe an installation of another version", async () => {
  await expect(ensure({ VERSION: "2026.9.5" })).rejects.toThrow(
    "OpenClaw 2026.9.6 was installed, but it says: OpenClaw 2026.9.5",
  );
  await expect(ensure({ VERSION: "2026.9.5" })).rejects.toThrow("but it says");
  expect(await callCount()).toBe(2);
});

it("falls back to npx without a pnpm of our own", async () => {
  const npx = join(directory, "npx");
  await writeFile(
    npx,
    `#!/bin/sh\necho "$@" > "${join(directory, "npx-call")}"\nshift 2\nexec "${process.execPath}" "${join(directory, "pnpm.mjs")}" "$@"\n`,
  );
  await chmod(npx, 0o755);
  await ensure({
    npm_execpath: "/usr/lib/node_modules/npm/bin/npm-cli.js",
    PATH: `${directory}:${process.env["PATH"]}`,
  });
  expect(await readFile(join(directory, "npx-call"), "utf8")).toMatch(
    /^-y pnpm@\d+\.\d+\.\d+ install --frozen-lockfile/,
  );
});

it.each(OPENCLAW_VERSIONS)(
  "works as a program, too, which installs %s and prints the directory",
  async (version) => {
    const { stdout } = await asProgram(version);
    expect(stdout.trim()).toBe(openClawDir(version));
  },
  INSTALL_TIMEOUT_MS,
);

it(
  "installs the pin where no version is named, and nothing for one that it does not know",
  async () => {
    expect((await asProgram()).stdout.trim()).toBe(openClawDir(OPENCLAW_PIN));
    await expect(asProgram("2031.1.1")).rejects.toMatchObject({ code: 2, stdout: "" });
  },
  INSTALL_TIMEOUT_MS,
);

it("builds the image with the pin by default", async () => {
  const dockerfile = await readFile(fileURLToPath(new URL("Dockerfile", import.meta.url)), "utf8");
  expect(dockerfile).toContain(`ARG OPENCLAW_VERSION=${OPENCLAW_PIN}\n`);
});

function asProgram(...args: string[]): Promise<{ stdout: string }> {
  const script = fileURLToPath(new URL("openclaw.ts", import.meta.url));
  return promisify(execFile)(process.execPath, [script, ...args]);
}
