import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPostgres } from "../postgres.ts";
import type { LocalPostgres } from "../postgres.ts";
import { enrolUser, issueAccessCode, registerInstance, withRegistry } from "./demo-user.ts";

let dir: string;
let database: LocalPostgres;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "kiloclaw-demo-"));
  database = await startPostgres({ dir, port: 0, durable: false });
});

afterAll(async () => {
  await database.stop();
  await rm(dir, { recursive: true, force: true });
});

describe("what the Next.js app does in the registry", () => {
  it("enrols a user once and takes a new pepper", async () => {
    const rows = await withRegistry(database.adminUrl, async (registry) => {
      await enrolUser(registry, { id: "ann", pepper: "first" });
      await enrolUser(registry, { id: "ann", pepper: "second" });
      return registry`select api_token_pepper from kilocode_users where id = 'ann'`;
    });
    expect([...rows]).toEqual([{ api_token_pepper: "second" }]);
  });

  it("keeps one active instance per user, the one that the Worker named last", async () => {
    const rows = await withRegistry(database.adminUrl, async (registry) => {
      await enrolUser(registry, { id: "ben", pepper: "p" });
      for (const sandboxId of ["old", "old", "new", "new"])
        await registerInstance(registry, { userId: "ben", sandboxId });
      return registry`
        select sandbox_id, destroyed_at is null as active from kiloclaw_instances
        where user_id = 'ben' order by created_at, sandbox_id`;
    });
    expect([...rows]).toEqual([
      { sandbox_id: "old", active: false },
      { sandbox_id: "new", active: true },
    ]);
  });

  it("issues a fresh code and expires the one before it", async () => {
    const { first, second, rows } = await withRegistry(database.adminUrl, async (registry) => {
      await enrolUser(registry, { id: "cleo", pepper: "p" });
      const codes = [
        await issueAccessCode(registry, { userId: "cleo", validHours: 2 }),
        await issueAccessCode(registry, { userId: "cleo", validHours: 2 }),
      ];
      const rows = await registry`
        select code, status, expires_at > now() + interval '119 minutes' as lasts from kiloclaw_access_codes
        where kilo_user_id = 'cleo' order by status`;
      return { first: codes[0]?.code, second: codes[1]?.code, rows };
    });
    expect(first).not.toBe(second);
    expect([...rows]).toEqual([
      { code: second, status: "active", lasts: true },
      { code: first, status: "expired", lasts: true },
    ]);
  });

  it("closes its connection when the work fails", async () => {
    await expect(withRegistry(database.adminUrl, () => Promise.reject(new Error("refused")))).rejects.toThrow(
      "refused",
    );
  });
});
