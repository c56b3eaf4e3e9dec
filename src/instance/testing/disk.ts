import { runInDurableObject } from "cloudflare:test";
import type { Tenant } from "./tenant.ts";

/** How often an object wrote, until it is gone. */
export type Writes = {
  /** Of the record and of events. */
  record: number;
  alarm: number;
};

/** Every write of the record fails from here on, until it is mended or the object is gone. */
export function failWrites(made: Tenant): Promise<void> {
  return runInDurableObject(made.instance, (_object, { storage }) => {
    storage.kv.put = () => {
      throw new Error("the disk is full");
    };
  });
}

export function mendWrites(made: Tenant): Promise<boolean> {
  return runInDurableObject(made.instance, (_object, { storage }) =>
    Reflect.deleteProperty(storage.kv, "put"),
  );
}

export function countWrites(made: Tenant): Promise<Writes> {
  return runInDurableObject(made.instance, (_object, { storage }) => {
    const writes: Writes = { record: 0, alarm: 0 };
    const { kv, sql } = storage;
    const put = kv.put.bind(kv);
    kv.put = (key, value) => {
      writes.record += 1;
      put(key, value);
    };
    const exec = sql.exec.bind(sql);
    sql.exec = <T extends Record<string, SqlStorageValue>>(query: string, ...bindings: unknown[]) => {
      const cursor = exec<T>(query, ...bindings);
      writes.record += cursor.rowsWritten;
      return cursor;
    };
    const setAlarm = storage.setAlarm.bind(storage);
    storage.setAlarm = (at, options) => {
      writes.alarm += 1;
      return setAlarm(at, options);
    };
    return writes;
  });
}
