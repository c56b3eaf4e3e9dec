import { once } from "node:events";
import { mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import postgres from "postgres";
import { z } from "zod";
import type { Log } from "./log.ts";
import { PortTakenError } from "./ports.ts";
import { findBinaries } from "./postgres/binaries.ts";
import { ensureCluster } from "./postgres/cluster.ts";
import { PostgresError } from "./postgres/error.ts";
import { migrate } from "./postgres/migrate.ts";
import { clearOrphan } from "./postgres/orphan.ts";
import { POSTGRES_HOST, startServer } from "./postgres/server.ts";
import type { PostgresExit, Server } from "./postgres/server.ts";
import { findLauncher } from "./postgres/unprivileged.ts";

export { migrate, PostgresError };

const DATABASE = "kiloclaw";
/** Between choosing a free port and binding it, another program may take it. */
const FREE_PORT_TRIES_MAX = 5;

/**
 * `adminUrl` connects as the superuser, `workerUrl` as role kiloclaw_worker; both carry a password. `exited` resolves
 * when the server ends, for whatever reason. `stop` is quick, bounded, and harmless to call twice.
 */
export type LocalPostgres = {
  adminUrl: string;
  workerUrl: string;
  exited: Promise<PostgresExit>;
  stop(): Promise<void>;
};

/**
 * Starts a real Postgres on loopback with its files in `dir`, makes it on the first start, and applies all migrations.
 * @param options.dir a directory of its own; `credentials.json` in it holds the random passwords, readable by its owner only
 * @param options.port 0 picks a free one
 * @param options.durable false only for tests: what was committed may then be lost in a power cut
 * @param options.signal gives up the first start's `initdb`, which alone takes longer than a Ctrl-C should; the rest is quick
 * @throws PortTakenError, PostgresError with a sentence for the person at the terminal
 */
export async function startPostgres(options: {
  dir: string;
  port: number;
  log?: Log;
  durable?: boolean;
  signal?: AbortSignal;
}): Promise<LocalPostgres> {
  const { log = () => undefined, durable = true, signal } = options;
  await mkdir(options.dir, { recursive: true, mode: 0o700 });
  const dir = await realpath(options.dir);
  const binaries = await findBinaries();
  const launcher = findLauncher();
  const cluster = await ensureCluster({ dir, binaries, launcher, durable, ...(signal && { signal }) });
  const { dataDir, superuserPassword, workerPassword } = cluster;
  await stopOrphan(dir);
  await writeFile(ownerFile(dir), String(process.pid));

  const { server, port } = await listen(options.port, (port) =>
    startServer({ dataDir, port, binaries, launcher, durable, log }),
  );
  try {
    const url = (database: string) =>
      `postgres://postgres:${superuserPassword}@${POSTGRES_HOST}:${port}/${database}`;
    await ensureDatabase(url("postgres"));
    const adminUrl = url(DATABASE);
    const { workerUrl } = await migrate(adminUrl, { workerPassword });
    return { adminUrl, workerUrl, exited: server.exited, stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/**
 * Stops the server that a killed process left running on `dir`, if there is one: before another is started there, and before
 * its files are deleted under it.
 * @throws PostgresError `in_use` when the process that started it lives
 */
export async function stopOrphan(dir: string): Promise<void> {
  const ownerPid = Number(await readFile(ownerFile(dir), "utf8").catch(() => "0"));
  const dataDir = await realpath(join(dir, "data")).catch(() => null);
  if (dataDir !== null) await clearOrphan(dataDir, ownerPid);
}

/** Holds the id of the process that started the last server here. */
function ownerFile(dir: string): string {
  return join(dir, "owner.pid");
}

async function listen(
  wantedPort: number,
  start: (port: number) => Promise<Server>,
): Promise<{ server: Server; port: number }> {
  if (wantedPort !== 0) return { server: await start(wantedPort), port: wantedPort };
  for (let tries = 1; ; tries += 1) {
    const port = await freePort();
    try {
      return { server: await start(port), port };
    } catch (error) {
      if (!(error instanceof PortTakenError) || tries === FREE_PORT_TRIES_MAX) throw error;
    }
  }
}

/** Postgres itself cannot be told to listen on any free port. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen({ host: POSTGRES_HOST, port: 0 });
  await once(server, "listening");
  const { port } = z.object({ port: z.int() }).parse(server.address());
  server.close();
  await once(server, "close");
  return port;
}

async function ensureDatabase(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  try {
    const found = await sql`select from pg_database where datname = ${DATABASE}`;
    if (found.length === 0) await sql`create database ${sql(DATABASE)}`;
    // The whole database is the registry's, so nobody needs temporary tables in it.
    await sql`revoke temporary on database ${sql(DATABASE)} from public`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
