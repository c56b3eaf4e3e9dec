import { env } from "cloudflare:workers";
import postgres from "postgres";
import { afterAll, beforeEach, describe, expect, inject, it } from "vitest";
import { z } from "zod";
import { openRegistry } from "./registry.ts";
import type { Registry } from "./registry.ts";

const { HYPERDRIVE } = z.object({ HYPERDRIVE: z.object({ connectionString: z.string() }) }).parse(env);
const registry = openRegistry(HYPERDRIVE);
const admin = postgres(inject("adminDatabaseUrl"), { max: 1 });

// Other test files work on the same database, so each test has users of its own.
let userId = "";
let otherId = "";
beforeEach(async () => {
  userId = `user/1:ä-${crypto.randomUUID()}`;
  otherId = `other-${crypto.randomUUID()}`;
  await admin`insert into kilocode_users ${admin([
    { id: userId, api_token_pepper: "pepper" },
    { id: otherId, api_token_pepper: null },
  ])}`;
});
afterAll(() => admin.end());

type CodeRow = { code: string; kilo_user_id: string; status: string; expires_at: Date; redeemed_at: Date };

async function addCode(code: Partial<CodeRow> = {}) {
  const inAnHour = new Date(Date.now() + 3_600_000);
  const row = { code: "ABCDE-23456", kilo_user_id: userId, status: "active", expires_at: inAnHour, ...code };
  await admin`insert into kiloclaw_access_codes ${admin(row)}`;
}

async function statuses() {
  const rows = await admin<{ status: string }[]>`
    select status from kiloclaw_access_codes where kilo_user_id = ${userId} order by status`;
  return rows.map(({ status }) => status);
}

describe("finding a user", () => {
  it("gives the pepper", async () => {
    expect(await registry.findUser(userId)).toEqual({ kind: "found", pepper: "pepper" });
  });

  it("tells a user without a pepper from no user", async () => {
    expect(await registry.findUser(otherId)).toEqual({ kind: "found", pepper: null });
    expect(await registry.findUser("nobody")).toEqual({ kind: "absent" });
  });

  const strangeIds = {
    "of no length": "",
    "with a zero character, which Postgres has not": "x\0",
    "that looks like SQL": "' or true --",
    "of half a character": "\uD800",
    "of a hundred thousand characters": "x".repeat(100_000),
  };
  it.each(Object.entries(strangeIds))("finds nobody by an id %s", async (_what, id) => {
    expect(await registry.findUser(id)).toEqual({ kind: "absent" });
  });
});

describe("finding a user's instance", () => {
  const sandboxId = (name: string) => `${name}-${userId.slice(-36)}`;
  const createdAt = new Date("2026-11-20T10:00:00.123Z");

  it("gives the one that is not destroyed", async () => {
    await admin`insert into kiloclaw_instances ${admin([
      { user_id: userId, sandbox_id: sandboxId("old"), created_at: createdAt, destroyed_at: new Date() },
      { user_id: otherId, sandbox_id: sandboxId("of-another"), created_at: createdAt, destroyed_at: null },
      { user_id: userId, sandbox_id: sandboxId("current"), created_at: createdAt, destroyed_at: null },
    ])}`;
    expect(await registry.findActiveInstance(userId)).toEqual({
      kind: "found",
      instance: { sandboxId: sandboxId("current"), createdAt },
    });
  });

  it("finds none where there is none, or only a destroyed one", async () => {
    await admin`insert into kiloclaw_instances ${admin({ user_id: userId, sandbox_id: sandboxId("old"), destroyed_at: new Date() })}`;
    for (const id of [userId, otherId, "nobody", "x\0"]) {
      expect(await registry.findActiveInstance(id)).toEqual({ kind: "absent" });
    }
  });
});

describe("redeeming an access code", () => {
  it("gives the pepper once and uses the code up", async () => {
    await addCode();
    expect(await registry.redeemAccessCode({ userId, code: "ABCDE-23456" })).toEqual({
      kind: "redeemed",
      pepper: "pepper",
    });
    expect(await registry.redeemAccessCode({ userId, code: "ABCDE-23456" })).toEqual({ kind: "refused" });
    const [row] = await admin`select status, abs(extract(epoch from now() - redeemed_at)) < 60 as "isFresh"
      from kiloclaw_access_codes where kilo_user_id = ${userId}`;
    expect(row).toEqual({ status: "redeemed", isFresh: true });
  });

  it.each(["abcde23456", " abcde – 23456\n", "A-B-C-D-E-2-3-4-5-6", "ABCDE\u00A023456"])(
    "takes the code however it is typed: %j",
    async (code) => {
      await addCode();
      expect(await registry.redeemAccessCode({ userId, code })).toMatchObject({ kind: "redeemed" });
    },
  );

  it("takes a code that is stored in another spelling", async () => {
    await addCode({ code: "ab cd-ef" });
    expect(await registry.redeemAccessCode({ userId, code: "ABCDEF" })).toMatchObject({ kind: "redeemed" });
  });

  it("redeems for exactly one of fifty that try at once", async () => {
    await addCode();
    const attempts = await Promise.all(
      Array.from({ length: 50 }, () => registry.redeemAccessCode({ userId, code: "ABCDE-23456" })),
    );
    expect(attempts.filter((attempt) => attempt.kind === "redeemed")).toHaveLength(1);
    expect(attempts.filter((attempt) => attempt.kind === "refused")).toHaveLength(49);
  });

  it("refuses a code of somebody else, and leaves it to its owner", async () => {
    await addCode();
    expect(await registry.redeemAccessCode({ userId: otherId, code: "ABCDE-23456" })).toEqual({
      kind: "refused",
    });
    expect(await registry.redeemAccessCode({ userId, code: "ABCDE-23456" })).toMatchObject({
      kind: "redeemed",
    });
  });

  it("answers unknown, used and expired codes alike, and changes none of them", async () => {
    const anHourAgo = new Date(Date.now() - 3_600_000);
    await addCode({ code: "PAST1", expires_at: anHourAgo });
    await addCode({ code: "USED1", status: "redeemed", redeemed_at: anHourAgo });
    await addCode({ code: "GONE1", status: "expired" });
    for (const code of ["PAST1", "USED1", "GONE1", "NONE1"]) {
      expect(await registry.redeemAccessCode({ userId, code })).toEqual({ kind: "refused" });
    }
    expect(await statuses()).toEqual(["active", "expired", "redeemed"]);
  });

  const guesses = {
    "of no length": "",
    "of dashes and spaces": " - ",
    "that looks like a pattern": "%",
    "that looks like an expression": ".*",
    "that lacks a character": "ABCDE-2345",
    "with a character too many": "ABCDE-234567",
    "with a zero character": "ABCDE-23456\0",
    "of a hundred thousand characters": "A".repeat(100_000),
  };
  it.each(Object.entries(guesses))(
    "refuses a guess %s, and leaves the code as it is",
    async (_what, code) => {
      await addCode();
      expect(await registry.redeemAccessCode({ userId, code })).toEqual({ kind: "refused" });
      expect(await statuses()).toEqual(["active"]);
    },
  );
});

describe("a database that does not answer", () => {
  const calls = {
    findUser: (registry: Registry) => registry.findUser(userId),
    findActiveInstance: (registry: Registry) => registry.findActiveInstance(userId),
    redeemAccessCode: (registry: Registry) => registry.redeemAccessCode({ userId, code: "ABCDE-23456" }),
  };

  async function whileCodesAreLocked<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = await admin.begin(async (tx) => {
      await tx`select from kiloclaw_access_codes where kilo_user_id = ${userId} for update`;
      return { value: await work() };
    });
    return result.value;
  }

  it.each(Object.entries(calls))("is told from an absent row by %s", async (_name, call) => {
    const result = await call(
      openRegistry({ connectionString: "postgres://kiloclaw_worker:secret@127.0.0.1:1/kiloclaw" }),
    );
    expect(result).toMatchObject({ kind: "unavailable" });
    expect(JSON.stringify(result)).not.toContain("secret");
  });

  it("is not waited for longer than the deadline", async () => {
    await addCode();
    const result = await whileCodesAreLocked(() =>
      calls.redeemAccessCode(openRegistry(HYPERDRIVE, { deadlineMs: 100 })),
    );
    expect(result).toEqual({ kind: "unavailable", cause: "no answer within 100 ms" });
  });

  it("gives up before the caller does, so that no code is used up behind its back", async () => {
    await addCode();
    const result = await whileCodesAreLocked(() => calls.redeemAccessCode(registry));
    expect(result).toEqual({
      kind: "unavailable",
      cause: "55P03: canceling statement due to lock timeout",
    });
    expect(await calls.redeemAccessCode(registry)).toMatchObject({ kind: "redeemed" });
  });

  it("may be mute, or hang up: the one is waited for until the deadline, the other not", async () => {
    const openAt = (connectionString: string) => openRegistry({ connectionString }, { deadlineMs: 300 });
    expect(await calls.findUser(openAt(inject("silentDatabaseUrl")))).toEqual({
      kind: "unavailable",
      cause: "no answer within 300 ms",
    });
    expect(await calls.findUser(openAt(inject("hangUpDatabaseUrl")))).toEqual({
      kind: "unavailable",
      cause: "the server hung up before it said anything",
    });
  });

  it("names the refusal of a wrong password, and neither password nor code", async () => {
    const url = new URL(HYPERDRIVE.connectionString);
    url.password = "not-the-secret";
    const result = await calls.redeemAccessCode(openRegistry({ connectionString: url.href }));
    expect(result).toEqual({
      kind: "unavailable",
      cause: '28P01: password authentication failed for user "kiloclaw_worker"',
    });
  });

  it("names a failing query by its reason, without what was asked", async () => {
    const url = new URL(HYPERDRIVE.connectionString);
    url.pathname = "/postgres";
    const result = await calls.redeemAccessCode(openRegistry({ connectionString: url.href }));
    expect(result).toEqual({
      kind: "unavailable",
      cause: '42P01: relation "kiloclaw_access_codes" does not exist',
    });
  });

  it("is also what a malformed connection string is, without quoting it", async () => {
    const result = await calls.findUser(openRegistry({ connectionString: "postgres://user:secret@[bad" }));
    expect(result).toEqual({ kind: "unavailable", cause: "the connection string is malformed" });
  });
});
