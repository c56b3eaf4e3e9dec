/** What one look brought: of each part its items, or null where that part could not be read; or nothing at all. */
export type Looked<T> =
  | { readonly kind: "looked"; readonly parts: ReadonlyMap<string, readonly T[] | null> }
  | { readonly kind: "failed" };

export interface Part<T> {
  readonly items: readonly T[];
  /** When it was true last, in milliseconds since the epoch; null when it was never had. */
  readonly refreshedAt: number | null;
  /** It could not be had again since. */
  readonly isStale: boolean;
}

export interface ListCache<T> {
  /** What is known, without what is past its lifetime. Never waits. */
  parts(): ReadonlyMap<string, Part<T>>;
  /** Whether any look has brought something, and whether the last one failed. */
  state(): { readonly refreshedAt: number | null; readonly isStale: boolean };
  /** Looks again. A look that runs is joined, unless it began before something that it can't know of: then one more follows. */
  refresh(): Promise<void>;
  /** Something happened that a look which began before this moment can't know of: the next `refresh` begins another. */
  outdate(): void;
  /** The items for which `isIt` holds are gone from this moment on; what a look that began before it brings is thrown away. */
  remove(isIt: (item: T) => boolean): void;
}

/**
 * A list served from memory. Looks are single-flight, and numbered by generation: what was changed meanwhile, say by an
 * approval, is not brought back by a look that began before it (scenarios.md 41). A part that fails keeps its last items (44).
 */
export function createListCache<T extends { readonly expiresAt: string }>(options: {
  /** Takes bounded time; a rejection counts as a failure. */
  readonly look: () => Promise<Looked<T>>;
  readonly now?: () => number;
}): ListCache<T> {
  const now = options.now ?? Date.now;
  let parts: ReadonlyMap<string, Part<T>> = new Map();
  /** Grows with what a look that began before can't know of; and with what it must not bring back. */
  let news = 0;
  let removals = 0;
  let refreshedAt: number | null = null;
  let isStale = true;
  let running: { readonly news: number; readonly done: Promise<void> } | null = null;
  /** Begins when the running one is over; whoever asks meanwhile joins it. */
  let queued: Promise<void> | null = null;

  const look = async (): Promise<void> => {
    const began = removals;
    const askedAt = now();
    const looked = await options.look().catch((): Looked<T> => ({ kind: "failed" }));
    if (began !== removals) return;
    if (looked.kind === "failed") {
      isStale = true;
      parts = new Map([...parts].map(([name, part]) => [name, { ...part, isStale: true }]));
    } else {
      isStale = false;
      refreshedAt = askedAt;
      parts = new Map(
        [...looked.parts].map(([name, items]) => [name, take(parts.get(name), items, askedAt)]),
      );
    }
  };

  const begin = (): Promise<void> => {
    const done = look().finally(() => (running = null));
    running = { news, done };
    return done;
  };

  const refresh = (): Promise<void> => {
    if (running === null) return begin();
    if (running.news === news) return running.done;
    // Never two at a time: the one that knows too little is waited for.
    queued ??= running.done.then(() => {
      queued = null;
      return refresh();
    });
    return queued;
  };

  return {
    parts() {
      const at = now();
      return new Map(
        [...parts].map(([name, part]) => [
          name,
          { ...part, items: part.items.filter((item) => Date.parse(item.expiresAt) > at) },
        ]),
      );
    },
    state: () => ({ refreshedAt, isStale }),
    refresh,
    outdate() {
      news += 1;
    },
    remove(isIt) {
      news += 1;
      removals += 1;
      parts = new Map(
        [...parts].map(([name, part]) => [
          name,
          { ...part, items: part.items.filter((item) => !isIt(item)) },
        ]),
      );
    },
  };
}

function take<T>(known: Part<T> | undefined, items: readonly T[] | null, askedAt: number): Part<T> {
  if (items !== null) return { items, refreshedAt: askedAt, isStale: false };
  return { items: known?.items ?? [], refreshedAt: known?.refreshedAt ?? null, isStale: true };
}
