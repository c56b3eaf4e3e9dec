import { pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

/**
 * The registry's tables as `supabase/migrations` makes them; schema.test.ts holds the two together. The SQL has the
 * constraints, the indexes and the rights, which nothing here needs to know.
 */

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

export const users = pgTable("kilocode_users", {
  id: text("id").primaryKey(),
  apiTokenPepper: text("api_token_pepper"),
});

export const instances = pgTable("kiloclaw_instances", {
  id: uuid("id").primaryKey().defaultRandom(),
  userId: text("user_id")
    .notNull()
    .references(() => users.id),
  sandboxId: text("sandbox_id").notNull(),
  createdAt: moment("created_at").notNull().defaultNow(),
  destroyedAt: moment("destroyed_at"),
});

export const accessCodes = pgTable("kiloclaw_access_codes", {
  id: uuid("id").primaryKey().defaultRandom(),
  code: text("code").notNull(),
  kiloUserId: text("kilo_user_id")
    .notNull()
    .references(() => users.id, { onDelete: "cascade" }),
  status: text("status", { enum: ["active", "redeemed", "expired"] })
    .notNull()
    .default("active"),
  expiresAt: moment("expires_at").notNull(),
  redeemedAt: moment("redeemed_at"),
});
