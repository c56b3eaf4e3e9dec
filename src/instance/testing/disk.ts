import { runInDurableObject } from "cloudflare:test";
import type { Tenant } from "./tenant.ts";

/** How often an object wrote, until it is gone. */
export type Writes = {
  /** Of the record and of events. */
  record: number;
  alarm: number;
};

/** What an object writes; `log` is the events of the instance. */
type Written = "record" | "log" | "alarm";

/** Every write of that kind fails from here on, until it is mended or the object is gone. */
export function failWrites(made: Tenant, what: Written = "record"): Promise<void> {
  return runInDurableObject(made.instance, (_object, { storage }) => {
    const fail = (): never => {
      throw new Error("the disk is full");
    };
    switch (what) {
      case "record":
        storage.kv.put = fail;
        break;
      case "log":
        storage.sql.exec = fail;
        break;
      case "alarm":
        storage.setAlarm = async () => fail();
        break;
      default:
        what satisfies never;
    }
  });
}

export function mendWrites(made: Tenant): Promise<void> {
  return runInDurableObject(made.instance, (_object, { storage }) => {
    Reflect.deleteProperty(storage.kv, "put");
    Reflect.deleteProperty(storage.sql, "exec");
    Reflect.deleteProperty(storage, "setAlarm");
  });
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
