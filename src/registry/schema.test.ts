import { getTableConfig } from "drizzle-orm/pg-core";
import postgres from "postgres";
import { afterAll, expect, inject, it } from "vitest";
import * as schema from "./schema.ts";

const admin = postgres(inject("adminDatabaseUrl"), { max: 1 });
afterAll(() => admin.end());

it.each(Object.values(schema).map((table) => getTableConfig(table)))(
  "describes $name as the migrations make it",
  async ({ name, columns }) => {
    const inDatabase = await admin`
      select column_name as name, data_type as type, is_nullable = 'NO' as "notNull",
        column_default is not null as "hasDefault"
      from information_schema.columns where table_schema = 'public' and table_name = ${name}
      order by ordinal_position`;
    const inSchema = columns.map((column) => ({
      name: column.name,
      type: column.getSQLType(),
      notNull: column.notNull,
      hasDefault: column.hasDefault,
    }));
    expect(inSchema).toEqual([...inDatabase]);
  },
);

it("describes all tables of the migrations", async () => {
  const inDatabase = await admin<{ name: string }[]>`
    select table_name as name from information_schema.tables where table_schema = 'public'`;
  const inSchema = Object.values(schema).map((table) => getTableConfig(table).name);
  expect(inSchema.toSorted()).toEqual(inDatabase.map(({ name }) => name).toSorted());
});
