import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { PortTakenError } from "./ports.ts";
import { startPostgres, stopOrphan } from "./postgres.ts";
import type { LocalPostgres } from "./postgres.ts";

/** One database for all tests, as it is made in the first of them; each stops the server that it started. */
let dir = "";
const cleanups: (() => Promise<unknown>)[] = [];

const freshDir = () => mkdtemp(join(tmpdir(), "kiloclaw-postgres-"));

beforeAll(async () => {
  dir = await freshDir();
  return () => rm(dir, { recursive: true, force: true });
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(
  options: { dir?: string; port?: number; durable?: boolean } = {},
): Promise<LocalPostgres> {
  const database = await startPostgres({ dir, port: 0, durable: false, ...options });
  cleanups.push(() => database.stop());
  return database;
}

/** Adds a user by a name of its own and says how to find it. */
async function addUser(url: string): Promise<string> {
  const id = randomUUID();
  await connect(url)`insert into kilocode_users values (${id}, null)`;
  return id;
}

async function userExists(url: string, id: string): Promise<boolean> {
  return (await connect(url)`select from kilocode_users where id = ${id}`).length === 1;
}

function connect(url: string): postgres.Sql {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  cleanups.push(() => sql.end({ timeout: 0 }));
  return sql;
}

async function readPostmasterPid(): Promise<number> {
  return Number((await readFile(join(dir, "data", "postmaster.pid"), "utf8")).split("\n")[0]);
}

describe("a local Postgres", () => {
  it("is migrated, and lets in the admin and the Worker's role, each by a password of its own", async () => {
    const database = await start();
    const [admin] = await connect(database.adminUrl)`
      select current_user as user, current_setting('is_superuser') as super, current_database() as database`;
    const [worker] = await connect(database.workerUrl)`
      select current_user as user, current_setting('is_superuser') as super,
        (select count(*)::int from kilocode_users) as users`;
    expect(admin).toEqual({ user: "postgres", super: "on", database: "kiloclaw" });
    expect(worker).toEqual({ user: "kiloclaw_worker", super: "off", users: 0 });

    const wrong = new URL(database.adminUrl);
    wrong.password = new URL(database.workerUrl).password;
    await expect(connect(wrong.href)`select 1`).rejects.toMatchObject({ code: "28P01" });
  });

  it("keeps its data and its passwords, which only the owner can read", async () => {
    const first = await start();
    const user = await addUser(first.adminUrl);
    await first.stop();
    const port = Number(new URL(first.adminUrl).port);
    const second = await start({ port });
    expect(second.adminUrl).toBe(first.adminUrl);
    expect(await userExists(second.workerUrl, user)).toBe(true);
    expect((await stat(join(dir, "credentials.json"))).mode & 0o777).toBe(0o600);
  });

  it("stops, also while it is being used, and says that it was told to", async () => {
    const database = await start();
    const inUse = connect(database.adminUrl);
    await inUse`select 1`;
    const query = inUse`select pg_sleep(60)`.then(
      () => "done",
      () => "cut off",
    );
    const pid = await readPostmasterPid();
    await database.stop();
    expect(await query).toBe("cut off");
    expect(await database.exited).toEqual({ isExpected: true, code: 0, signal: null });
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    await database.stop();
  });

  it("says so when it ends unasked, and recovers what was committed", async () => {
    const database = await start({ durable: true });
    const user = await addUser(database.adminUrl);
    process.kill(await readPostmasterPid(), "SIGKILL");
    expect(await database.exited).toEqual({ isExpected: false, code: null, signal: "SIGKILL" });
    const next = await start();
    expect(await userExists(next.adminUrl, user)).toBe(true);
  });

  it("names a port that is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    cleanups.push(async () => other.close());
    const { port } = z.object({ port: z.int() }).parse(other.address());
    await expect(start({ port })).rejects.toThrow(PortTakenError);
    await expect(start({ port })).rejects.toThrow(`Port ${port} on 127.0.0.1 is taken`);
  });
});

describe("what an earlier run left behind", () => {
  it("may be a half-made database, which is made again", async () => {
    const halfMade = await freshDir();
    cleanups.push(() => rm(halfMade, { recursive: true }));
    await mkdir(join(halfMade, "data.unfinished"));
    await writeFile(join(halfMade, "data.unfinished", "PG_VERSION"), "18\n");
    const database = await start({ dir: halfMade });
    expect(await connect(database.workerUrl)`select from kilocode_users`).toHaveLength(0);
  });

  it("may be a server whose owner was killed: it is stopped, and its data is kept", async () => {
    const adminUrl = await startWithKilledOwner();
    const user = await addUser(adminUrl);
    const database = await start();
    await expect(connect(adminUrl)`select 1`).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect(await userExists(database.adminUrl, user)).toBe(true);
  });

  it("may be such a server on files that are to be deleted: it is stopped without another one", async () => {
    const adminUrl = await startWithKilledOwner();
    await stopOrphan(dir);
    await expect(connect(adminUrl)`select 1`).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await stopOrphan(dir);
  });

  async function startWithKilledOwner(): Promise<string> {
    const module = fileURLToPath(new URL("./postgres.ts", import.meta.url));
    const program = `
      import { startPostgres } from ${JSON.stringify(module)};
      const database = await startPostgres({ dir: ${JSON.stringify(dir)}, port: 0, durable: false });
      process.stdout.write(database.adminUrl);
      await new Promise(() => setInterval(() => undefined, 60_000));`;
    const owner = spawn(process.execPath, ["--input-type=module-typescript", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    cleanups.push(async () => owner.kill("SIGKILL"));
    const [adminUrl] = await once(owner.stdout, "data");
    owner.kill("SIGKILL");
    await once(owner, "exit");
    return String(adminUrl);
  }

  it("may be a lock with the id of a process that is another program by now", async () => {
    await (await start()).stop();
    await writeFile(
      join(dir, "data", "postmaster.pid"),
      `${process.pid}\n${join(dir, "data")}\n1\n5432\n\n127.0.0.1\n`,
    );
    await start();
    expect(await readPostmasterPid()).not.toBe(process.pid);
  });

  it("is no such thing while its owner lives: a second start is refused", async () => {
    const database = await start();
    await expect(start()).rejects.toMatchObject({ failure: "in_use" });
    expect(await connect(database.adminUrl)`select 1`).toHaveLength(1);
  });

  it("is not thrown away when it cannot be used", async () => {
    const credentials = join(dir, "credentials.json");
    await (await start()).stop();
    const kept = await readFile(credentials, "utf8");
    await writeFile(credentials, "{");
    await expect(start()).rejects.toMatchObject({ failure: "unusable_data" });
    await writeFile(credentials, kept);
    await start();

    await writeFile(join(dir, "data", "PG_VERSION"), "15\n");
    await expect(start()).rejects.toThrow("is not a Postgres 18 database (its version: 15)");
    await writeFile(join(dir, "data", "PG_VERSION"), "18\n");
  });

  it("may be a file where the directory should stand, which is said", async () => {
    const file = join(dir, "file");
    await writeFile(file, "");
    await expect(start({ dir: file })).rejects.toThrow("EEXIST");
  });
});
