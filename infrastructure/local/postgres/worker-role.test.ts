import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startPostgres } from "../postgres.ts";

const DENIED = "42501";
const CHECK_VIOLATION = "23514";
const UNIQUE_VIOLATION = "23505";
const FOREIGN_KEY_VIOLATION = "23503";

let admin: postgres.Sql;
let worker: postgres.Sql;

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), "kiloclaw-worker-role-"));
  const database = await startPostgres({ dir, port: 0, durable: false });
  admin = postgres(database.adminUrl, { max: 1, onnotice: () => undefined });
  worker = postgres(database.workerUrl, { max: 1, onnotice: () => undefined });
  return async () => {
    await database.stop();
    await rm(dir, { recursive: true, force: true });
  };
});
afterAll(async () => {
  await Promise.all([admin.end(), worker.end()]);
});

beforeEach(async () => {
  await admin`truncate kilocode_users, kiloclaw_instances, kiloclaw_access_codes`;
  await admin`insert into kilocode_users values ('u', 'pepper'), ('v', null), ('w', null)`;
  await admin`insert into kiloclaw_instances (user_id, sandbox_id, destroyed_at)
    values ('u', 'current', null), ('u', 'former', now())`;
  await admin`insert into kiloclaw_access_codes (code, kilo_user_id, status, expires_at, redeemed_at) values
    ('VALID', 'u', 'active', now() + interval '1 hour', null),
    ('OVERDUE', 'v', 'active', now() - interval '1 second', null),
    ('USED', 'u', 'redeemed', now() + interval '1 hour', now() - interval '1 minute'),
    ('EXPIRED', 'u', 'expired', now() + interval '1 hour', null)`;
});

const codeOf = (statement: Promise<unknown>) =>
  statement.then(
    () => "done",
    (error: unknown) => (error instanceof postgres.PostgresError ? error.code : String(error)),
  );

async function statusOf(code: string): Promise<unknown> {
  const [row] = await admin`select status from kiloclaw_access_codes where code = ${code}`;
  return row?.["status"];
}

describe("the Worker's role", () => {
  it("reads users, instances that are not destroyed, and codes that are valid", async () => {
    expect(await worker`select id, api_token_pepper from kilocode_users`).toHaveLength(3);
    expect([...(await worker`select sandbox_id from kiloclaw_instances`)]).toEqual([
      { sandbox_id: "current" },
    ]);
    expect([...(await worker`select code from kiloclaw_access_codes`)]).toEqual([{ code: "VALID" }]);
  });

  it("redeems a valid code, also when it forgets every condition", async () => {
    await worker`update kiloclaw_access_codes set status = 'redeemed', redeemed_at = now()`;
    const rows = await admin`select code, status from kiloclaw_access_codes order by code`;
    expect(rows.map((row) => `${row["code"]} ${row["status"]}`)).toEqual([
      "EXPIRED expired",
      "OVERDUE active",
      "USED redeemed",
      "VALID redeemed",
    ]);
  });

  const refusedChanges = {
    "expire a code": "status = 'expired'",
    "leave a code active while writing it": "status = 'active'",
    "redeem a code in the past": "status = 'redeemed', redeemed_at = now() - interval '1 day'",
    "redeem a code without a time": "status = 'redeemed'",
    "change a code's text": "code = 'OTHER'",
    "give a code to somebody else": "kilo_user_id = 'v'",
    "prolong a code": "expires_at = now() + interval '1 year'",
  };
  it.each(Object.entries(refusedChanges))("cannot %s", async (_what, change) => {
    const where = "where code = 'VALID'";
    expect(await codeOf(worker.unsafe(`update kiloclaw_access_codes set ${change} ${where}`))).toBe(DENIED);
    expect(await statusOf("VALID")).toBe("active");
  });

  const refusedStatements = [
    "insert into kilocode_users values ('x', null)",
    "update kilocode_users set api_token_pepper = null",
    "delete from kilocode_users",
    "insert into kiloclaw_instances (user_id, sandbox_id) values ('v', 's')",
    "update kiloclaw_instances set destroyed_at = now()",
    "delete from kiloclaw_instances",
    "insert into kiloclaw_access_codes (code, kilo_user_id, expires_at) values ('MINE', 'v', now() + interval '1 hour')",
    "delete from kiloclaw_access_codes",
    "truncate kiloclaw_access_codes",
    "select id from kiloclaw_access_codes",
    "select id from kiloclaw_instances",
    "select * from supabase_migrations.schema_migrations",
    "select * from pg_authid",
    "do $$ begin lock table kilocode_users in access exclusive mode; end $$",
    "create table mine ()",
    "create schema mine",
    "create temporary table kilocode_users ()",
    "create function mine() returns int language sql as 'select 1'",
    "create policy mine on kilocode_users using (true)",
    "create database mine",
    "create role mine",
    "set role postgres",
    "copy kilocode_users to program 'true'",
    "copy kilocode_users from '/etc/passwd'",
    "select pg_read_file('/etc/passwd')",
    "grant select on kilocode_users to public",
    "alter table kilocode_users disable row level security",
    "drop table kiloclaw_access_codes",
    "drop policy worker_reads_users on kilocode_users",
    "alter role kiloclaw_worker superuser",
    "alter role kiloclaw_worker bypassrls",
  ];
  it.each(refusedStatements)("is denied: %s", async (statement) => {
    expect(await codeOf(worker.unsafe(statement))).toBe(DENIED);
  });

  it("has no attribute, no membership and no object of its own", async () => {
    const [role] = await admin`
      select rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
        exists (select from pg_auth_members where member = oid) as "isMember",
        exists (select from pg_class where relowner = pg_roles.oid) as "ownsSomething"
      from pg_roles where rolname = 'kiloclaw_worker'`;
    expect(new Set(Object.values(role ?? {}))).toEqual(new Set([false]));
  });

  it("waits for nothing longer than seconds", async () => {
    const names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
    const settings = await worker`
      select name, setting::int between 1 and 10000 as "isBounded" from pg_settings where name in ${worker(names)}`;
    expect(settings.map((row): unknown => row["isBounded"])).toEqual([true, true, true]);
  });

  it("is bound by row-level security that binds the owner too", async () => {
    const tables = await admin`
      select relname as name, relrowsecurity and relforcerowsecurity as "isForced"
      from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by relname`;
    expect([...tables]).toEqual([
      { name: "kiloclaw_access_codes", isForced: true },
      { name: "kiloclaw_instances", isForced: true },
      { name: "kilocode_users", isForced: true },
    ]);
  });
});

describe("the registry's tables", () => {
  const code = (values: string) =>
    admin.unsafe(
      `insert into kiloclaw_access_codes (code, kilo_user_id, status, expires_at, redeemed_at) values (${values})`,
    );
  const instance = (values: string) =>
    admin.unsafe(`insert into kiloclaw_instances (user_id, sandbox_id, destroyed_at) values (${values})`);
  const inAnHour = "now() + interval '1 hour'";

  it("have one active instance per user, whatever was destroyed before", async () => {
    expect(await codeOf(instance("'u', 'second', null"))).toBe(UNIQUE_VIOLATION);
    expect(await codeOf(instance("'u', 'former', now()"))).toBe("done");
  });

  it("give a sandbox id to one active instance, and to another one after it", async () => {
    expect(await codeOf(instance("'v', 'current', null"))).toBe(UNIQUE_VIOLATION);
    await admin`update kiloclaw_instances set destroyed_at = now()`;
    expect(await codeOf(instance("'v', 'current', null"))).toBe("done");
  });

  it.each(["", "a b", "x".repeat(64), "ä"])("refuse the sandbox id %j", async (sandboxId) => {
    expect(await codeOf(instance(`'v', '${sandboxId}', null`))).toBe(CHECK_VIOLATION);
  });

  it("have one active code per user", async () => {
    expect(await codeOf(code(`'SECOND', 'u', 'active', ${inAnHour}, null`))).toBe(UNIQUE_VIOLATION);
    expect(await codeOf(code(`'SECOND', 'u', 'expired', ${inAnHour}, null`))).toBe("done");
  });

  const badCodes = {
    "without a text": `'', 'w', 'active', ${inAnHour}, null`,
    "of dashes and spaces": `' -- ', 'w', 'active', ${inAnHour}, null`,
    "that is too long": `repeat('x', 129), 'w', 'active', ${inAnHour}, null`,
    "of another status": `'X', 'w', 'used', ${inAnHour}, null`,
    "redeemed at no time": `'X', 'w', 'redeemed', ${inAnHour}, null`,
    "active and yet redeemed": `'X', 'w', 'active', ${inAnHour}, now()`,
  };
  it.each(Object.entries(badCodes))("refuse a code %s", async (_what, values) => {
    expect(await codeOf(code(values))).toBe(CHECK_VIOLATION);
  });

  it("refuse a code that never expires", async () => {
    expect(await codeOf(code("'X', 'w', 'active', null, null"))).toBe("23502");
  });

  it("know no instance and no code of nobody, and let no user go who has an instance", async () => {
    expect(await codeOf(instance("'nobody', 's', null"))).toBe(FOREIGN_KEY_VIOLATION);
    expect(await codeOf(code(`'X', 'nobody', 'active', ${inAnHour}, null`))).toBe(FOREIGN_KEY_VIOLATION);
    expect(await codeOf(admin`delete from kilocode_users where id = 'u'`)).toBe(FOREIGN_KEY_VIOLATION);
    await admin`delete from kilocode_users where id = 'v'`;
    expect(await statusOf("OVERDUE")).toBeUndefined();
  });
});
