import { clipEvent, EVENTS_MAX, type InstanceEvent } from "./events.ts";
import type { KeeperStorage } from "./keeper.ts";
import { instanceStateSchema, type InstanceState } from "./state.ts";
import { type ReadState, readState } from "./stored.ts";

const STATE_KEY = "instance";
/** Trimmed when this far over its bound, so that not every line costs a delete. */
const EVENTS_SLACK = 50;

export type InstanceStore = KeeperStorage & {
  events(limit: number): InstanceEvent[];
};

/**
 * The object's own storage. SQLite writes are durable before anything leaves the object (docs: durable-objects,
 * output gates). Nothing is written for an instance that does not exist.
 */
export function createStore(storage: DurableObjectStorage): InstanceStore {
  let current: ReadState | null = null;
  const read = (): ReadState => {
    current ??= readState(storage.kv.get(STATE_KEY));
    return current;
  };
  return {
    read,
    load() {
      const found = read();
      return found.kind === "readable" ? found.state : null;
    },
    save(state: InstanceState) {
      const checked = instanceStateSchema.parse(state);
      if (read().kind === "unreadable") throw new Error("an unreadable record is never overwritten");
      storage.kv.put(STATE_KEY, checked);
      current = { kind: "readable", state: checked };
    },
    append(event) {
      ensureEvents(storage.sql);
      const { at, kind, what, why, outcome, durationMs } = clipEvent(event);
      storage.sql.exec(
        "INSERT INTO event (at, kind, what, why, outcome, duration_ms) VALUES (?, ?, ?, ?, ?, ?)",
        at,
        kind,
        what,
        why,
        outcome,
        durationMs,
      );
      trimEvents(storage.sql);
    },
    events(limit) {
      if (read().kind === "absent") return [];
      ensureEvents(storage.sql);
      return storage.sql
        .exec<InstanceEvent>(
          "SELECT at, kind, what, why, outcome, duration_ms AS durationMs FROM event ORDER BY id DESC LIMIT ?",
          limit,
        )
        .toArray();
    },
    async setAlarm(at) {
      await storage.setAlarm(at);
    },
    async erase() {
      // Nothing of the old record is to be read or written any more, whoever is still at it.
      current = { kind: "absent" };
      try {
        // In this order: an alarm of nothing does no harm, and a record without an alarm would never go. Asked for together, so
        // that neither undoes what is written meanwhile.
        await Promise.all([storage.deleteAll(), storage.deleteAlarm()]);
      } catch (cause) {
        current = null;
        throw cause;
      }
    },
  };
}

function ensureEvents(sql: SqlStorage): void {
  sql.exec(
    "CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, " +
      "what TEXT NOT NULL, why TEXT NOT NULL, outcome TEXT, duration_ms INTEGER)",
  );
}

function trimEvents(sql: SqlStorage): void {
  const { last } = sql.exec<{ last: number }>("SELECT max(id) AS last FROM event").one();
  if (last > EVENTS_MAX && last % EVENTS_SLACK === 0)
    sql.exec("DELETE FROM event WHERE id <= ?", last - EVENTS_MAX);
}
