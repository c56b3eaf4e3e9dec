import { createConnection } from "node:net";
import type { Socket } from "node:net";
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
  const options = {
    max: 1,
    prepare: false,
    fetch_types: false,
    connect_timeout: Math.ceil(deadlineMs / 1_000),
    onnotice: () => undefined,
    socket: connectOnce(),
  };
  let sql: postgres.Sql;
  try {
    sql = postgres(connectionString, options);
  } catch {
    // The driver's message would quote the connection string.
    return { kind: "unavailable", cause: "the connection string is malformed" };
  }
  let isOverdue = false;
  const deadline = setTimeout(() => {
    isOverdue = true;
    // Rejects what is under way.
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

/** When a server hangs up before it says anything, the driver connects again at once, and so on without end. */
function connectOnce(): (address: { host: string[]; port: number[] }) => Socket {
  let isFirst = true;
  return ({ host: [host], port: [port] }) => {
    if (!isFirst || port === undefined) throw new Error("the server hung up before it said anything");
    isFirst = false;
    return createConnection({ host, port });
  };
}

/** drizzle's own message quotes the parameters, an access code among them; the error it wraps does not. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return "unknown failure";
  if (error.cause instanceof Error) return describe(error.cause);
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return error.message.includes(code) || code === "Error" ? error.message : `${code}: ${error.message}`;
}
