import { and, eq, gt, isNull, sql } from "drizzle-orm";
import { z } from "zod";
import { withDatabase } from "./connection.ts";
import type { Unavailable } from "./connection.ts";
import { accessCodes, instances, users } from "./schema.ts";

/** `pepper` is part of every session token of the user; null is a value like any other. */
type FoundUser = { kind: "found"; pepper: string | null } | { kind: "absent" } | Unavailable;
type FoundInstance =
  | { kind: "found"; instance: { sandboxId: string; createdAt: Date } }
  | { kind: "absent" }
  | Unavailable;
/** Unknown, wrong, used and expired codes, and codes of somebody else, are all the same `refused`. */
type RedeemedCode = { kind: "redeemed"; pepper: string | null } | { kind: "refused" } | Unavailable;

/** What the Worker may ask of the registry. Nothing is thrown; each call uses a connection of its own and is bounded in time. */
export type Registry = {
  findUser(userId: string): Promise<FoundUser>;
  /** The instance that the user has, by the registry: the one that is not destroyed. */
  findActiveInstance(userId: string): Promise<FoundInstance>;
  /**
   * Uses a code up, for this user and only once, however many try at the same time. Case, dashes and spaces don't count.
   * Where the connection broke after the question, `unavailable` leaves open whether the code is used up.
   */
  redeemAccessCode(attempt: { userId: string; code: string }): Promise<RedeemedCode>;
};

const PepperRow = z.object({ pepper: z.string().nullable() });
const InstanceRow = z.object({ sandboxId: z.string(), createdAt: z.date() });

/** The longest code that the table takes is 128; what is much longer than that with its spaces needs no query. */
const CODE_LENGTH_MAX = 256;

/**
 * A query takes milliseconds, and a person waits for the answer. The timeouts of the database role (see the migrations)
 * are shorter, so that a slow redemption is given up by the database first, and not done after its caller has gone.
 */
const DEADLINE_MS = 4_000;

/**
 * Hyperdrive answers reads from a cache of a minute or more, unless they call a function that is stable or volatile
 * (https://developers.cloudflare.com/hyperdrive/concepts/query-caching). A new pepper must end sessions at once.
 */
const uncached = sql`now() is not null`;

/** Opens the registry behind a Hyperdrive binding, connecting only when asked something. */
export function openRegistry(
  { connectionString }: { connectionString: string },
  { deadlineMs = DEADLINE_MS }: { deadlineMs?: number } = {},
): Registry {
  const address = { connectionString, deadlineMs };
  return {
    async findUser(userId) {
      if (!isText(userId)) return { kind: "absent" };
      return withDatabase(address, async (database) => {
        const rows = await database
          .select({ pepper: users.apiTokenPepper })
          .from(users)
          .where(and(eq(users.id, userId), uncached));
        const [user] = PepperRow.array().parse(rows);
        return user ? { kind: "found", pepper: user.pepper } : { kind: "absent" };
      });
    },

    async findActiveInstance(userId) {
      if (!isText(userId)) return { kind: "absent" };
      return withDatabase(address, async (database) => {
        const rows = await database
          .select({ sandboxId: instances.sandboxId, createdAt: instances.createdAt })
          .from(instances)
          .where(and(eq(instances.userId, userId), isNull(instances.destroyedAt), uncached));
        const [instance] = InstanceRow.array().parse(rows);
        return instance ? { kind: "found", instance } : { kind: "absent" };
      });
    },

    async redeemAccessCode({ userId, code }) {
      const bareCode = code.length > CODE_LENGTH_MAX ? "" : code.replaceAll(/[\s\p{Dash}]/gu, "");
      if (bareCode === "" || !isText(bareCode) || !isText(userId)) return { kind: "refused" };
      return withDatabase(address, async (database) => {
        // One statement: of many that race for a row, each waits for the lock and looks at the row again as it then is.
        const rows = await database
          .update(accessCodes)
          .set({ status: "redeemed", redeemedAt: sql`now()` })
          .from(users)
          .where(
            and(
              eq(accessCodes.kiloUserId, userId),
              eq(accessCodes.status, "active"),
              gt(accessCodes.expiresAt, sql`now()`),
              sql`upper(regexp_replace(${accessCodes.code}, '[[:space:]-]', '', 'g')) = upper(${bareCode})`,
              eq(users.id, accessCodes.kiloUserId),
            ),
          )
          .returning({ pepper: users.apiTokenPepper });
        const [user] = PepperRow.array().parse(rows);
        return user ? { kind: "redeemed", pepper: user.pepper } : { kind: "refused" };
      });
    },
  };
}

/** Postgres has no text with a zero character in it, so nothing there is equal to one. */
const isText = (value: string) => !value.includes("\0");
