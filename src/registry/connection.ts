import { drizzle } from "drizzle-orm/postgres-js";
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";

/** What a connection needs: where to, and how long the work on it may take in all, connecting included. */
export type DatabaseAddress = { connectionString: string; deadlineMs: number };

/** A polite goodbye takes one packet; a server that is gone gets no more than this. */
const CLOSE_TIMEOUT_SECONDS = 0.5;

/** `cause` is for the log: the database's or the driver's code and message, never a query's parameters. */
export type Unavailable = { kind: "unavailable"; cause: string };

/**
 * Runs `work` on a connection of its own and closes it. A Worker's socket belongs to the request that opened it, and
 * Hyperdrive keeps the pool behind it.
 *
 * No prepared statements and no look-up of types: both would cost a round trip on a connection used once.
 */
export async function withDatabase<Result>(
  { connectionString, deadlineMs }: DatabaseAddress,
  work: (database: PostgresJsDatabase) => Promise<Result>,
): Promise<Result | Unavailable> {
  let sql: postgres.Sql;
  try {
    sql = postgres(connectionString, {
      max: 1,
      prepare: false,
      fetch_types: false,
      onnotice: () => undefined,
    });
  } catch {
    // The driver's message would quote the connection string.
    return { kind: "unavailable", cause: "the connection string is malformed" };
  }
  let isOverdue = false;
  const deadline = setTimeout(() => {
    isOverdue = true;
    // Rejects what is under way, also a connection attempt, which the driver would repeat without end.
    void sql.end({ timeout: 0 });
  }, deadlineMs);
  try {
    return await work(drizzle(sql));
  } catch (error) {
    return { kind: "unavailable", cause: isOverdue ? `no answer within ${deadlineMs} ms` : describe(error) };
  } finally {
    clearTimeout(deadline);
    await sql.end({ timeout: CLOSE_TIMEOUT_SECONDS });
  }
}

/** drizzle's own message quotes the parameters, an access code among them; the error it wraps does not. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return "unknown failure";
  if (error.cause instanceof Error) return describe(error.cause);
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return error.message.includes(code) ? error.message : `${code}: ${error.message}`;
}
