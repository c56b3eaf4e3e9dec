/** What a row's key is, and under which strings it can be found. */
export interface TableShape<Row> {
  keyOf(row: Row): string;
  /** Index entries of a row; several rows may share one. */
  indexesOf(row: Row): Iterable<string>;
}

/**
 * Rows by key with secondary indexes, in memory. Rows are values: a change puts a new row in place of the old
 * one, so that indexes, watchers and the disk always see the same thing.
 */
export class Table<Row> {
  readonly #shape: TableShape<Row>;
  readonly #onChange: (key: string, before: Row | undefined) => void;
  readonly #rows = new Map<string, Row>();
  readonly #index = new Map<string, Set<string>>();
  readonly #watchers = new Map<string, Set<(row: Row | undefined) => void>>();

  /** `onChange` hears of each row that is put or deleted, with what was there before. */
  constructor(shape: TableShape<Row>, onChange: (key: string, before: Row | undefined) => void) {
    this.#shape = shape;
    this.#onChange = onChange;
  }

  has(key: string): boolean {
    return this.#rows.has(key);
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  values(): IterableIterator<Row> {
    return this.#rows.values();
  }

  get size(): number {
    return this.#rows.size;
  }

  /** The rows under an index entry, in the order of their first insertion. */
  find(entry: string): Row[] {
    const found: Row[] = [];
    for (const key of this.#index.get(entry) ?? []) {
      const row = this.#rows.get(key);
      if (row !== undefined) found.push(row);
    }
    return found;
  }

  countOf(entry: string): number {
    return this.#index.get(entry)?.size ?? 0;
  }

  put(row: Row): Row {
    const key = this.#shape.keyOf(row);
    const before = this.#rows.get(key);
    this.#reindex(key, before, row);
    this.#rows.set(key, row);
    this.#announce(key, before, row);
    return row;
  }

  /** Replaces the row under `key` by what `change` makes of it; undefined if there is none. */
  update(key: string, change: (row: Row) => Row): Row | undefined {
    const row = this.#rows.get(key);
    return row === undefined ? undefined : this.put(change(row));
  }

  delete(key: string): void {
    const row = this.#rows.get(key);
    if (row === undefined) return;
    this.#rows.delete(key);
    this.#reindex(key, row, undefined);
    this.#announce(key, row, undefined);
  }

  /** Calls `watcher` at each change of the row, at once; the returned function ends it. */
  watch(key: string, watcher: (row: Row | undefined) => void): () => void {
    const watchers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, watchers);
    watchers.add(watcher);
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#watchers.get(key) === watchers) this.#watchers.delete(key);
    };
  }

  #announce(key: string, before: Row | undefined, row: Row | undefined): void {
    this.#onChange(key, before);
    const watchers = this.#watchers.get(key);
    // A watcher that is satisfied takes itself out while it is called, which a set takes well.
    for (const watcher of watchers ?? []) watcher(row);
  }

  #reindex(key: string, before: Row | undefined, after: Row | undefined): void {
    const old = new Set(before === undefined ? [] : this.#shape.indexesOf(before));
    const fresh = new Set(after === undefined ? [] : this.#shape.indexesOf(after));
    for (const entry of old.difference(fresh)) {
      const keys = this.#index.get(entry);
      keys?.delete(key);
      if (keys?.size === 0) this.#index.delete(entry);
    }
    for (const entry of fresh.difference(old)) {
      const keys = this.#index.get(entry);
      if (keys === undefined) this.#index.set(entry, new Set([key]));
      else keys.add(key);
    }
  }
}
