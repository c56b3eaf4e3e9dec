import { createHash } from "node:crypto";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { waitForLock } from "../process/lock.ts";
import { runToEnd } from "../process/run.ts";

/** Every OpenClaw that we know how to run; each has a folder with a lockfile. */
export const OPENCLAW_VERSIONS = ["2026.9.6", "2026.2.26"] as const;
export type OpenClawVersion = (typeof OPENCLAW_VERSIONS)[number];

/** The one pin of the OpenClaw that runs in every new machine. The other is what existing machines run. */
export const OPENCLAW_PIN: OpenClawVersion = "2026.9.6";

/** Where a version's lockfile stands, and where it is installed on a laptop. */
export function openClawDir(version: OpenClawVersion): string {
  return fileURLToPath(new URL(`openclaw/${version}`, import.meta.url));
}

/** The version of pnpm that wrote the lockfile, for those who run us without any pnpm. */
const PNPM = "pnpm@12.21.0";
/** A cold install takes half a minute on a good line and minutes on a bad one. */
const INSTALL_TIMEOUT_MS = 600_000;
const VERIFY_TIMEOUT_MS = 60_000;
/** Longer than any holder of the lock may take; then something is wrong that a person should see. */
const LOCK_TIMEOUT_MS = INSTALL_TIMEOUT_MS + VERIFY_TIMEOUT_MS + 60_000;
const MARKER = "node_modules/.kiloclaw-installed.json";
const PINNED_FILES = ["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml"];

const markerSchema = z.object({ fingerprint: z.string() });
const pinSchema = z.object({ dependencies: z.object({ openclaw: z.string() }) });

export interface EnsureOptions {
  /** Takes one line of progress at a time. */
  readonly log: (line: string) => void;
  /** The pin by default. */
  readonly version?: OpenClawVersion;
  readonly directory?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Installs an OpenClaw where it is missing or differs from the lockfile, and returns at once where it
 * is there. Several processes may call it at the same time: one installs, the others wait for it.
 *
 * @returns the directory whose `node_modules` contains openclaw, for `OPENCLAW_DIR`
 * @throws with the installer's last lines when the installation fails
 */
export async function ensureOpenClaw(options: EnsureOptions): Promise<{ dir: string }> {
  const dir = options.directory ?? openClawDir(options.version ?? OPENCLAW_PIN);
  const env = options.env ?? process.env;
  const fingerprint = await pinFingerprint(dir);
  if (await isInstalled(dir, fingerprint)) return { dir };
  const release = await waitForLock(join(dir, ".install.lock"), {
    timeoutMs: LOCK_TIMEOUT_MS,
    onWait: () => options.log("waiting for another process, which installs OpenClaw"),
  });
  try {
    if (await isInstalled(dir, fingerprint)) return { dir };
    const pinned = pinSchema.parse(JSON.parse(await readFile(join(dir, "package.json"), "utf8")));
    const version = pinned.dependencies.openclaw;
    options.log(`installing OpenClaw ${version} (600 MB on disk, once)`);
    await rm(join(dir, MARKER), { force: true });
    await install(dir, env, options.log);
    await completeInstallation(dir, version);
    await writeMarker(dir, fingerprint);
    options.log(`OpenClaw ${version} is installed`);
    return { dir };
  } finally {
    release();
  }
}

/** Changes with the pin, and with what native packages are chosen by. */
async function pinFingerprint(dir: string): Promise<string> {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\n`);
  for (const name of PINNED_FILES) hash.update(await readFile(join(dir, name)));
  return hash.digest("hex");
}

async function isInstalled(dir: string, fingerprint: string): Promise<boolean> {
  try {
    const marker = markerSchema.parse(JSON.parse(await readFile(join(dir, MARKER), "utf8")));
    return marker.fingerprint === fingerprint;
  } catch {
    // No marker, or none that was written to its end: not installed.
    return false;
  }
}

async function install(dir: string, env: NodeJS.ProcessEnv, log: (line: string) => void): Promise<void> {
  const [file, ...args] = pnpmCommand(env);
  await runToEnd(file, [...args, "install", "--frozen-lockfile", "--prod", "--reporter=append-only"], {
    cwd: dir,
    // Without a terminal to ask, pnpm replaces a tree of another lockfile only when told that nobody is there.
    env: { ...env, CI: "true" },
    timeoutMs: INSTALL_TIMEOUT_MS,
    log: (line) => {
      if (line.startsWith("Progress:")) log(line);
    },
  });
}

/** The pnpm that runs us, else one that npx fetches. */
function pnpmCommand(env: NodeJS.ProcessEnv): [string, ...string[]] {
  const running = env["npm_execpath"];
  if (running === undefined || !basename(running).startsWith("pnpm")) return ["npx", "-y", PNPM];
  return [".js", ".cjs", ".mjs"].includes(extname(running)) ? [process.execPath, running] : [running];
}

/**
 * OpenClaw finishes its own installation at its first call, inside its package directory. Done here, under
 * the lock, no two gateways do it at the same time; and it shows that this Node can run it.
 */
async function completeInstallation(dir: string, version: string): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), "kiloclaw-openclaw-"));
  try {
    const output = await runToEnd(process.execPath, ["node_modules/openclaw/openclaw.mjs", "--version"], {
      cwd: dir,
      env: { PATH: process.env["PATH"], HOME: home, TMPDIR: home, OPENCLAW_NO_RESPAWN: "1" },
      timeoutMs: VERIFY_TIMEOUT_MS,
      log: () => undefined,
    });
    if (!output.includes(version))
      throw new Error(`OpenClaw ${version} was installed, but it says: ${output}`);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function writeMarker(dir: string, fingerprint: string): Promise<void> {
  const temporary = join(dir, `${MARKER}.${process.pid}`);
  await writeFile(temporary, JSON.stringify({ fingerprint }));
  await rename(temporary, join(dir, MARKER));
}

// As a program, with a version or none for the pin: progress on stderr, and the directory on stdout.
if (import.meta.main) {
  // An exit takes the installer along, which the default end by a signal does not.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  const version = z.enum(OPENCLAW_VERSIONS).safeParse(process.argv[2] ?? OPENCLAW_PIN);
  if (version.success) {
    const { dir } = await ensureOpenClaw({ log: console.error, version: version.data });
    console.log(dir);
  } else {
    console.error(`usage: node infrastructure/docker/openclaw.ts [${OPENCLAW_VERSIONS.join(" | ")}]`);
    process.exitCode = 2;
  }
}
