import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { PostgresError } from "./error.ts";

const MIGRATIONS_DIRECTORY = fileURLToPath(new URL("../../../supabase/migrations", import.meta.url));
/** Supabase's naming: `<timestamp>_<name>.sql`. */
const FILE_NAME = /^(?<version>\d{14})_(?<name>[a-z0-9_]+)\.sql$/;
/** An arbitrary number that all migrators of this product agree on. */
const ADVISORY_LOCK_KEY = 7_025_310_418;
const CONNECT_TIMEOUT_SECONDS = 10;

/** `applied`: versions that this call applied. `workerUrl`: the same database as role kiloclaw_worker. */
export type Migrated = { applied: string[]; workerUrl: string };

/**
 * Brings a database up to date with `supabase/migrations`, each file in a transaction of its own and exactly once,
 * also when several callers do it at the same time, and gives the Worker's role its password. What was applied is
 * recorded where Supabase's own tool records it (`supabase_migrations.schema_migrations`), so the two can be mixed.
 * @param adminUrl a role that may create roles and owns, or will own, the registry's tables
 * @throws PostgresError `unreachable`, `migration_changed`, `migration_failed`
 */
export async function migrate(
  adminUrl: string,
  options: { workerPassword: string; directory?: string },
): Promise<Migrated> {
  const migrations = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY);
  const sql = postgres(adminUrl, {
    max: 1,
    prepare: false,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    onnotice: () => undefined,
    connection: { application_name: "kiloclaw-migrate" },
  });
  try {
    await connect(sql);
    await locked(sql, createRecord);
    const applied: string[] = [];
    for (const migration of migrations) {
      if (await locked(sql, (tx) => apply(tx, migration))) applied.push(migration.version);
    }
    await locked(sql, (tx) => setWorkerPassword(tx, options.workerPassword));
    return { applied, workerUrl: withUser(adminUrl, "kiloclaw_worker", options.workerPassword) };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

type Migration = { version: string; name: string; text: string; checksum: string };

async function readMigrations(directory: string): Promise<Migration[]> {
  const fileNames = (await readdir(directory)).filter((fileName) => fileName.endsWith(".sql")).toSorted();
  return Promise.all(
    fileNames.map(async (fileName) => {
      const { version, name } = FILE_NAME.exec(fileName)?.groups ?? {};
      if (version === undefined || name === undefined) {
        throw new PostgresError("migration_failed", `${fileName} is not named <14 digits>_<name>.sql.`);
      }
      // git may check files out with the platform's own line ends; the migration is the same.
      const text = (await readFile(join(directory, fileName), "utf8")).replaceAll("\r\n", "\n");
      return { version, name, text, checksum: createHash("sha256").update(text).digest("hex") };
    }),
  );
}

async function connect(sql: postgres.Sql): Promise<void> {
  try {
    await sql`select 1`;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message || ("code" in cause ? String(cause.code) : "") : "";
    throw new PostgresError("unreachable", `The database does not let us in: ${reason}`, { cause });
  }
}

/** A lock of the transaction, not of the session: a connection pooler in between may give each transaction another. */
async function locked<Result>(
  sql: postgres.Sql,
  work: (tx: postgres.TransactionSql) => Promise<Result>,
): Promise<Awaited<Result>> {
  const result = await sql.begin(async (tx) => {
    await tx`set local lock_timeout = '60s'`;
    await tx`select pg_advisory_xact_lock(${ADVISORY_LOCK_KEY})`;
    return { value: await work(tx) };
  });
  return result.value;
}

async function createRecord(tx: postgres.TransactionSql): Promise<void> {
  await tx
    .unsafe(
      `create schema if not exists supabase_migrations;
       create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
       alter table supabase_migrations.schema_migrations add column if not exists statements text[];
       alter table supabase_migrations.schema_migrations add column if not exists name text;
       alter table supabase_migrations.schema_migrations add column if not exists checksum text;`,
    )
    .simple();
}

async function apply(tx: postgres.TransactionSql, migration: Migration): Promise<boolean> {
  const { version, name, text, checksum } = migration;
  const [recorded] = await tx<{ checksum: string | null }[]>`
    select checksum from supabase_migrations.schema_migrations where version = ${version}`;
  if (recorded) {
    // Supabase's own tool records no checksum.
    if (recorded.checksum === null || recorded.checksum === checksum) return false;
    throw new PostgresError(
      "migration_changed",
      `Migration ${version}_${name} was changed after it had been applied. Restore its text and put the change into a new migration, or begin with an empty database.`,
    );
  }
  try {
    await tx.unsafe(text).simple();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PostgresError("migration_failed", `Migration ${version}_${name} failed: ${reason}`, { cause });
  }
  await tx`insert into supabase_migrations.schema_migrations (version, name, statements, checksum)
    values (${version}, ${name}, ${[text]}, ${checksum})`;
  return true;
}

/** `alter role` takes no parameters; this way the password is in no statement that a server might log. */
async function setWorkerPassword(tx: postgres.TransactionSql, password: string): Promise<void> {
  await tx`select set_config('kiloclaw.worker_password', ${password}, true)`;
  await tx.unsafe(`do $$ begin
    execute format('alter role kiloclaw_worker password %L', current_setting('kiloclaw.worker_password'));
  end $$`);
}

function withUser(url: string, user: string, password: string): string {
  const changed = new URL(url);
  changed.username = user;
  changed.password = encodeURIComponent(password);
  return changed.href;
}
