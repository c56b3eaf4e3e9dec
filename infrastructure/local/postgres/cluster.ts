import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Binaries } from "./binaries.ts";
import { PostgresError } from "./error.ts";
import type { Launcher } from "./unprivileged.ts";

const CredentialsSchema = z.object({
  superuserPassword: z.string().min(1),
  workerPassword: z.string().min(1),
});

/** The major version of the binaries that package.json pins. A data directory is good for one major version. */
const MAJOR_VERSION = "18";

export type Cluster = { dataDir: string; superuserPassword: string; workerPassword: string };

/**
 * Makes sure that `dir` holds a database cluster and its passwords, both made once. The cluster is made beside
 * its place and moved there when complete, so what stands in its place is whole.
 * @param durable whether the new files must survive a power cut
 * @throws PostgresError `init_failed`, `unusable_data`
 */
export async function ensureCluster(options: {
  dir: string;
  binaries: Binaries;
  launcher: Launcher;
  durable: boolean;
  signal?: AbortSignal;
}): Promise<Cluster> {
  const { dir, launcher } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  launcher.own(dir);
  const dataDir = join(dir, "data");
  const exists = await hasUsableData(dataDir);
  const credentials = await ensureCredentials(join(dir, "credentials.json"), exists);
  if (!exists) await initialise({ ...options, dataDir, password: credentials.superuserPassword });
  return { dataDir, ...credentials };
}

async function hasUsableData(dataDir: string): Promise<boolean> {
  if (!existsSync(dataDir)) return false;
  const version = await readFile(join(dataDir, "PG_VERSION"), "utf8").catch(() => "none");
  if (version.trim() === MAJOR_VERSION) return true;
  throw new PostgresError(
    "unusable_data",
    `${dataDir} is not a Postgres ${MAJOR_VERSION} database (its version: ${version.trim()}). Move it away to start with an empty one.`,
  );
}

async function ensureCredentials(path: string, isNeededForData: boolean) {
  const text = await readFile(path, "utf8").catch(() => null);
  if (text !== null) {
    const parsed = CredentialsSchema.safeParse(safeJson(text));
    if (parsed.success) return parsed.data;
  }
  if (isNeededForData) {
    throw new PostgresError(
      "unusable_data",
      `${path} is missing or damaged; without it nobody can log in to the database beside it. Restore it, or move the database away to start with an empty one.`,
    );
  }
  const credentials = {
    superuserPassword: randomBytes(24).toString("hex"),
    workerPassword: randomBytes(24).toString("hex"),
  };
  await writeFile(`${path}.new`, JSON.stringify(credentials), { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
  return credentials;
}

async function initialise(options: {
  dir: string;
  dataDir: string;
  binaries: Binaries;
  launcher: Launcher;
  durable: boolean;
  signal?: AbortSignal;
  password: string;
}): Promise<void> {
  const { dir, dataDir, binaries, launcher, durable, signal, password } = options;
  const unfinishedDir = `${dataDir}.unfinished`;
  const passwordFile = join(dir, "initial-password");
  await rm(unfinishedDir, { recursive: true, force: true });
  await writeFile(passwordFile, password, { mode: 0o600 });
  launcher.own(passwordFile);
  try {
    const { file, args, ids } = launcher.command(binaries.initdb, [
      `--pgdata=${unfinishedDir}`,
      "--username=postgres",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--no-locale",
      ...(durable ? [] : ["--no-sync"]),
    ]);
    const child = spawn(file, args, {
      ...ids,
      stdio: ["ignore", "pipe", "pipe"],
      ...(signal && { signal }),
    });
    const output: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => output.push(String(chunk)));
    const status = await new Promise((resolve) => {
      // An aborted initdb still has to be seen to its end.
      child.once("error", (error) => error.name === "AbortError" || resolve(error.message));
      child.once("close", resolve);
    });
    signal?.throwIfAborted();
    if (status !== 0) {
      throw new PostgresError(
        "init_failed",
        `Postgres could not make its database in ${unfinishedDir}: ${output.join("").trim().slice(-1000) || String(status)}${launcher.failureHint}`,
      );
    }
    await rename(unfinishedDir, dataDir);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
