import { z } from "zod";

/** The lists by exec that are kept; each has an entry of its own. */
export type CachedKind = "channels" | "devices";

/** What is kept, and the generation to which it belongs; null where the cache can't be asked. */
export type Kept<T> = { generation: string | null; value: T | null; ageMs: number };

/**
 * Answers of one instance that were had by exec, in Workers KV. An approval begins a new generation of its list: a list that was begun
 * in an older one is not believed, whenever it was written. KV may show another place an older entry for up to a minute
 * (developers.cloudflare.com/kv/concepts/how-kv-works), which is as long as a list is fresh. A KV that fails is a cache that is empty.
 */
export type AnswerCache = {
  read<T>(kind: CachedKind, schema: z.ZodType<T>): Promise<Kept<T>>;
  /** Keeps an answer that was asked for in `generation`, unless another one has begun meanwhile. */
  keep(kind: CachedKind, generation: string | null, value: unknown): Promise<void>;
  /** Drops what there is, and what is on its way. False where KV did not take it. */
  drop(kind: CachedKind): Promise<boolean>;
};

/** The last good list is worth showing, marked stale, for as long as its requests live at most. */
const KEPT_S = 3_600;
/** Outlives every answer of the generation before. */
const GENERATION_KEPT_S = 2 * KEPT_S;
/** Of an instance for which nothing was approved yet. */
const FIRST_GENERATION = "first";

const entrySchema = z.object({ generation: z.string(), keptAt: z.number(), value: z.unknown() });

export function createAnswerCache(kv: KVNamespace, sandboxId: string): AnswerCache {
  const entryKey = (kind: CachedKind): string => `by-exec/${sandboxId}/${kind}`;
  const generationKey = (kind: CachedKind): string => `generation/${sandboxId}/${kind}`;
  const generationOf = async (kind: CachedKind): Promise<string> =>
    (await kv.get(generationKey(kind))) ?? FIRST_GENERATION;

  return {
    async read<T>(kind: CachedKind, schema: z.ZodType<T>): Promise<Kept<T>> {
      try {
        const [generation, stored] = await Promise.all([generationOf(kind), kv.get(entryKey(kind), "json")]);
        const nothing = { generation, value: null, ageMs: 0 };
        const entry = entrySchema.safeParse(stored);
        if (!entry.success || entry.data.generation !== generation) return nothing;
        const value = schema.safeParse(entry.data.value);
        return value.success
          ? { generation, value: value.data, ageMs: Date.now() - entry.data.keptAt }
          : nothing;
      } catch {
        return { generation: null, value: null, ageMs: 0 };
      }
    },
    async keep(kind, generation, value) {
      try {
        if (generation === null || generation !== (await generationOf(kind))) return;
        const entry = JSON.stringify({ generation, keptAt: Date.now(), value });
        await kv.put(entryKey(kind), entry, { expirationTtl: KEPT_S });
      } catch {
        // The next question is answered by another exec.
      }
    },
    async drop(kind) {
      const [begun] = await Promise.allSettled([
        kv.put(generationKey(kind), crypto.randomUUID(), { expirationTtl: GENERATION_KEPT_S }),
        kv.delete(entryKey(kind)),
      ]);
      return begun.status === "fulfilled";
    },
  };
}
