import postgres from "postgres";
import { makeAccessCode } from "./access-code.ts";

// What the Next.js app does in the database: it is the only writer of the registry's tables.

export type Registry = postgres.Sql;

/** The demo's one user. */
export const DEMO_USER_ID = "demo-user";

/** Opens the registry as its administrator, runs `work` and closes it again, also when `work` fails. */
export async function withRegistry<T>(
  adminUrl: string,
  work: (registry: Registry) => Promise<T>,
): Promise<T> {
  const registry = postgres(adminUrl, { max: 1, connect_timeout: CONNECT_SECONDS_MAX, onnotice: () => {} });
  try {
    return await work(registry);
  } finally {
    await registry.end({ timeout: 1 });
  }
}

const CONNECT_SECONDS_MAX = 10;

/** Makes the user, or gives an existing one this pepper: sessions signed with another one end. */
export async function enrolUser(registry: Registry, user: { id: string; pepper: string }): Promise<void> {
  await registry`
    insert into kilocode_users (id, api_token_pepper) values (${user.id}, ${user.pepper})
    on conflict (id) do update set api_token_pepper = excluded.api_token_pepper`;
}

/** Makes `sandboxId` the user's active instance; one of another name is marked destroyed. */
export async function registerInstance(
  registry: Registry,
  instance: { userId: string; sandboxId: string },
): Promise<void> {
  const { userId, sandboxId } = instance;
  await registry.begin(async (sql) => {
    await sql`
      update kiloclaw_instances set destroyed_at = now()
      where user_id = ${userId} and destroyed_at is null and sandbox_id <> ${sandboxId}`;
    await sql`
      insert into kiloclaw_instances (user_id, sandbox_id)
      select ${userId}, ${sandboxId}
      where not exists (select from kiloclaw_instances where user_id = ${userId} and destroyed_at is null)`;
  });
}

/** Replaces the user's active access code, if there is one, by a fresh one. It can be redeemed once, for `validHours`. */
export async function issueAccessCode(
  registry: Registry,
  access: { userId: string; validHours: number },
): Promise<{ code: string; expiresAt: Date }> {
  const code = makeAccessCode();
  const expiresAt = new Date(Date.now() + access.validHours * 3_600_000);
  await registry.begin(async (sql) => {
    await sql`
      update kiloclaw_access_codes set status = 'expired'
      where kilo_user_id = ${access.userId} and status = 'active'`;
    await sql`
      insert into kiloclaw_access_codes (code, kilo_user_id, expires_at)
      values (${code}, ${access.userId}, ${expiresAt})`;
  });
  return { code, expiresAt };
}
