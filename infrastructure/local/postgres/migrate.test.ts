import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startPostgres } from "../postgres.ts";
import type { LocalPostgres } from "../postgres.ts";
import { migrate } from "./migrate.ts";

const MIGRATIONS_DIRECTORY = fileURLToPath(new URL("../../../supabase/migrations", import.meta.url));
const workerPassword = "it's a \\ password/with @ everything";

let dir = "";
let server: LocalPostgres;
let sql: postgres.Sql;
let url = "";
let directory = "";
let tests = 0;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "kiloclaw-migrate-"));
  server = await startPostgres({ dir: join(dir, "postgres"), port: 0, durable: false });
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Each test has an empty database and a directory of migrations of its own. */
beforeEach(async () => {
  tests += 1;
  url = await createDatabase(`test_${tests}`);
  directory = join(dir, `migrations-${tests}`);
  await cp(MIGRATIONS_DIRECTORY, directory, { recursive: true });
  sql = postgres(url, { max: 1, onnotice: () => undefined });
  return () => sql.end({ timeout: 1 });
});

async function createDatabase(name: string): Promise<string> {
  const admin = postgres(server.adminUrl, { max: 1 });
  await admin`create database ${admin(name)}`;
  await admin.end();
  return withPath(server.adminUrl, name);
}

function withPath(address: string, database: string): string {
  const changed = new URL(address);
  changed.pathname = `/${database}`;
  return changed.href;
}

const tables = async () =>
  (await sql`select table_name as name from information_schema.tables where table_schema = 'public'`).map(
    (row): unknown => row["name"],
  );

describe("migrating a database", () => {
  it("applies every file once, in order, and records it where Supabase's own tool looks", async () => {
    const fileNames = (await readdir(directory)).toSorted();
    const versions = fileNames.map((fileName) => fileName.slice(0, 14));
    expect((await migrate(url, { workerPassword, directory })).applied).toEqual(versions);
    expect((await migrate(url, { workerPassword, directory })).applied).toEqual([]);
    const recorded =
      await sql`select version, name from supabase_migrations.schema_migrations order by version`;
    expect(recorded.map((row) => `${row["version"]}_${row["name"]}.sql`)).toEqual(fileNames);
  });

  it("gives the Worker's role its password, and a URL to log in with", async () => {
    const { workerUrl } = await migrate(url, { workerPassword, directory });
    const worker = postgres(workerUrl, { max: 1 });
    expect([...(await worker`select current_user as user`)]).toEqual([{ user: "kiloclaw_worker" }]);
    await worker.end();
  });

  it("applies every file once when many do it at the same time", async () => {
    const results = await Promise.all(
      Array.from({ length: 8 }, () => migrate(url, { workerPassword, directory })),
    );
    const applied = results.flatMap((result) => result.applied);
    expect(applied.toSorted()).toEqual(
      (await readdir(directory)).map((fileName) => fileName.slice(0, 14)).toSorted(),
    );
  });

  it("takes what Supabase's own tool has applied as applied", async () => {
    await migrate(url, { workerPassword, directory });
    await sql`update supabase_migrations.schema_migrations set checksum = null`;
    expect((await migrate(url, { workerPassword, directory })).applied).toEqual([]);
  });

  it("takes other line ends for the same file, and refuses one that was changed after it had been applied", async () => {
    const file = join(directory, "20990101000000_more.sql");
    await writeFile(file, "create table more (\n);\n");
    await migrate(url, { workerPassword, directory });
    await writeFile(file, "create table more (\r\n);\r\n");
    await migrate(url, { workerPassword, directory });
    await writeFile(file, "create table more (id int);\n");
    await expect(migrate(url, { workerPassword, directory })).rejects.toMatchObject({
      failure: "migration_changed",
      message: expect.stringContaining("20990101000000_more was changed"),
    });
  });

  it("leaves nothing of a file that fails, and all of those before it", async () => {
    const file = join(directory, "20990101000000_broken.sql");
    await writeFile(file, "create table half (); create table nonsense (id no_such_type);");
    await expect(migrate(url, { workerPassword, directory })).rejects.toMatchObject({
      failure: "migration_failed",
      message: 'Migration 20990101000000_broken failed: type "no_such_type" does not exist',
    });
    expect(await tables()).toContain("kiloclaw_access_codes");
    expect(await tables()).not.toContain("half");
    await writeFile(file, "create table whole ();");
    expect((await migrate(url, { workerPassword, directory })).applied).toEqual(["20990101000000"]);
  });

  it("refuses a file whose name gives no order, before it applies any", async () => {
    await writeFile(join(directory, "more.sql"), "");
    await expect(migrate(url, { workerPassword, directory })).rejects.toThrow("more.sql is not named");
    expect(await tables()).toEqual([]);
  });

  it("says why a database lets nobody in, without the password", async () => {
    const address = new URL(url);
    address.password = "a-wrong-one";
    const refused = migrate(address.href, { workerPassword });
    await expect(refused).rejects.toMatchObject({ failure: "unreachable" });
    await expect(refused).rejects.toThrow('password authentication failed for user "postgres"');
    await expect(refused).rejects.not.toThrow("a-wrong-one");

    address.port = "1";
    await expect(migrate(address.href, { workerPassword })).rejects.toThrow("ECONNREFUSED 127.0.0.1:1");
  });
});

describe("a database as Supabase makes it", () => {
  /** There the owner is no superuser, and new tables of `public` are granted to the API's roles by default. */
  async function createSupabaseLikeDatabase(): Promise<string> {
    const admin = postgres(server.adminUrl, { max: 1 });
    const databases = await admin<{ name: string }[]>`
      select datname as name from pg_database where datallowconn and not datistemplate`;
    for (const { name } of databases) {
      const owner = postgres(withPath(server.adminUrl, name), { max: 1 });
      await owner`drop owned by kiloclaw_worker`;
      await owner.end();
    }
    await admin.unsafe(`
      drop role kiloclaw_worker;
      create role anon; create role authenticated;
      create role app_owner login createrole password 'app-owner'`);
    await admin`create database supabase_like owner app_owner`;
    await admin.end();
    const address = new URL(withPath(server.adminUrl, "supabase_like"));
    address.username = "app_owner";
    address.password = "app-owner";
    return address.href;
  }

  it("keeps the registry from the API's roles, and open to its owner and the Worker", async () => {
    const ownerUrl = await createSupabaseLikeDatabase();
    const owner = postgres(ownerUrl, { max: 1, onnotice: () => undefined });
    await owner`alter default privileges in schema public grant all on tables to anon, authenticated`;
    const { workerUrl } = await migrate(ownerUrl, { workerPassword });

    const granted = await owner`select grantee, table_name from information_schema.role_table_grants
      where table_schema = 'public' and grantee in ('anon', 'authenticated')`;
    expect(granted).toHaveLength(0);
    await owner`insert into kilocode_users values ('u', 'pepper')`;
    const worker = postgres(workerUrl, { max: 1 });
    expect([...(await worker`select api_token_pepper as pepper from kilocode_users`)]).toEqual([
      { pepper: "pepper" },
    ]);
    await Promise.all([worker.end(), owner.end()]);
  });

  it("is refused when the Worker's role exists and may do more than it needs", async () => {
    await sql`create role minister`;
    await sql`grant minister to kiloclaw_worker`;
    await expect(migrate(url, { workerPassword, directory })).rejects.toThrow(
      "may do more than the Worker needs",
    );
    await sql`drop role minister`;
    await migrate(url, { workerPassword, directory });
  });
});
