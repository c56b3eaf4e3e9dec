import { SignJWT } from "jose";
import postgres from "postgres";
import type { World } from "./world.ts";

const PEPPER = "pepper";

/** Does to the registry what the Next.js app would. */
export async function withRegistry<T>(adminUrl: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(adminUrl, { max: 1 });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

export async function enrol(adminUrl: string, userId: string): Promise<void> {
  await withRegistry(
    adminUrl,
    (sql) => sql`insert into kilocode_users (id, api_token_pepper) values (${userId}, ${PEPPER})`,
  );
}

/** Request headers of a client of the user that is no browser. */
export async function bearerOf(world: World, userId: string): Promise<{ authorization: string }> {
  const token = await new SignJWT({ kiloUserId: userId, apiTokenPepper: PEPPER, version: 3 })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(world.secrets.NEXTAUTH_SECRET));
  return { authorization: `Bearer ${token}` };
}
