import { env, exports } from "cloudflare:workers";
import postgres from "postgres";
import { inject } from "vitest";
import { issueSession } from "../../auth/session.ts";

export const ORIGIN = "http://127.0.0.1:8787";

/** One request to the Worker, as a client far away would send it: redirects are not followed. */
export function request(path: string, init: RequestInit = {}): Promise<Response> {
  return exports.default.fetch(new Request(`${ORIGIN}${path}`, { redirect: "manual", ...init }));
}

/** A call of the platform API with the internal key. */
export function platform(operation: string, body: unknown): Promise<Response> {
  return request(`/api/platform/${operation}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-internal-api-key": env.INTERNAL_API_SECRET ?? "" },
    body: JSON.stringify(body),
  });
}

export function platformGet(path: string): Promise<Response> {
  return request(`/api/platform/${path}`, {
    headers: { "x-internal-api-key": env.INTERNAL_API_SECRET ?? "" },
  });
}

/** Makes the user known to the registry, as the Next.js app would. */
export async function insertUser(userId: string, pepper: string | null = "pepper"): Promise<void> {
  await withRegistry(
    (sql) => sql`insert into kilocode_users (id, api_token_pepper) values (${userId}, ${pepper})`,
  );
}

export async function setPepper(userId: string, pepper: string): Promise<void> {
  await withRegistry(
    (sql) => sql`update kilocode_users set api_token_pepper = ${pepper} where id = ${userId}`,
  );
}

/** The registry's row of an instance that the user has had for ten minutes. */
export async function insertInstance(userId: string, sandboxId: string): Promise<void> {
  await withRegistry(
    (sql) => sql`
      insert into kiloclaw_instances (user_id, sandbox_id, created_at)
      values (${userId}, ${sandboxId}, now() - interval '10 minutes')`,
  );
}

/** Gives the user an access code that expires so many seconds from now. */
export async function insertCode(userId: string, code: string, expiresInS = 600): Promise<void> {
  await withRegistry(
    (sql) => sql`
      insert into kiloclaw_access_codes (code, kilo_user_id, status, expires_at)
      values (${code}, ${userId}, 'active', now() + ${`${expiresInS} seconds`}::interval)`,
  );
}

/** Request headers of a signed-in user. */
export async function signedIn(
  userId: string,
  pepper: string | null = "pepper",
): Promise<Record<string, string>> {
  const { token } = await issueSession({ userId, pepper }, env.NEXTAUTH_SECRET ?? "", env.WORKER_ENV ?? "");
  return { cookie: `kiloclaw-auth=${token}` };
}

/** Asks the local Fly what there is, past the Worker. */
export async function flyList<T>(kind: "machines" | "volumes"): Promise<T[]> {
  const url = new URL(`/v1/apps/${env.FLY_APP_NAME}/${kind}`, inject("flyApiUrl"));
  const response = await fetch(url, { headers: { authorization: `Bearer ${env.FLY_API_TOKEN}` } });
  return response.json<T[]>();
}

async function withRegistry(work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(inject("adminDatabaseUrl"), { max: 1 });
  try {
    await work(sql);
  } finally {
    await sql.end();
  }
}
