import { z } from "zod";
import type { ActionName } from "../http/actions.ts";
import { fitsAction } from "./effects.ts";
import type { Call, Plan } from "./rules.ts";
import { wedgeStates } from "./wedges.ts";

const kinds = [
  "error",
  "lost_before",
  "lost_after",
  "lost_late",
  "error_after",
  "delay",
  "rate_limited",
  "stale",
  "empty",
  "hidden",
  "wedge",
  "lease",
  "claimed",
  "no_capacity",
] as const;
type Kind = (typeof kinds)[number];

/** Faults by chance, in the words of `POST /_test/faults`. */
export const randomSchema = z.strictObject({
  seed: z.number().int(),
  /** Of the calls that have a fault. */
  rate: z.number().min(0).max(1),
  /** Default: all of them. */
  kinds: z
    .array(z.enum(kinds))
    .min(1)
    .default([...kinds]),
  /** Only calls whose path, query or body contain this. */
  contains: z.string().min(1).optional(),
});
export type RandomSettings = z.infer<typeof randomSchema>;

/** Draws a fault for a call, or none. The same seed and the same calls in the same order have the same faults. */
export class RandomFaults {
  readonly settings: RandomSettings;
  readonly #random: () => number;
  /** Calls that had a fault. */
  drawn = 0;

  constructor(settings: RandomSettings) {
    this.settings = settings;
    this.#random = generator(settings.seed);
  }

  draw({ action, text }: Call): Plan {
    const { contains } = this.settings;
    if (contains !== undefined && !text.includes(contains)) return {};
    const hits = this.#random() < this.settings.rate;
    const fitting = this.settings.kinds.filter((kind) => fits(kind, action));
    const kind = fitting[Math.floor(this.#random() * fitting.length)];
    const size = this.#random();
    if (!hits || kind === undefined) return {};
    this.drawn += 1;
    return planOf(kind, size);
  }
}

function fits(kind: Kind, action: ActionName): boolean {
  switch (kind) {
    case "lost_late":
      // What only reads has no effect that could be late.
      return !/_(?:list|get|wait|events|versions)$/.test(action);
    case "lost_before":
    case "lost_after":
    case "error_after":
      return true;
    case "error":
    case "delay":
    case "rate_limited":
    case "stale":
    case "empty":
    case "hidden":
    case "wedge":
    case "lease":
    case "claimed":
    case "no_capacity":
      return fitsAction(kind, action);
    default:
      return kind satisfies never;
  }
}

/** `size` in [0, 1) says how long or of which sort; the bounds are those that live Fly was seen to keep. */
function planOf(kind: Kind, size: number): Plan {
  const before = (effect: Plan["before"]): Plan => ({ before: effect });
  const after = (effect: Plan["after"]): Plan => ({ after: effect });
  const upToMs = (max: number): number => 1 + Math.floor(size * max);
  const error = errors[Math.floor(size * errors.length)] ?? errors[0];
  switch (kind) {
    case "error":
      return before({ kind: "error", ...error });
    case "error_after":
      return after({ kind: "error", ...error });
    case "lost_before":
      return before({ kind: "lost" });
    case "lost_late":
      return before({ kind: "lost", lateMs: upToMs(40_000) });
    case "lost_after":
      return after({ kind: "lost" });
    case "delay":
      return before({ kind: "delay", forMs: upToMs(2000) });
    case "rate_limited":
      return before({ kind: "rate_limited", ...(size < 0.5 ? {} : { retryAfterSeconds: 1 }) });
    case "stale":
      return before({ kind: "stale", agoMs: upToMs(30_000) });
    case "empty":
      return before({ kind: "empty" });
    case "hidden":
      return before({ kind: "hidden", forMs: upToMs(10_000) });
    case "wedge": {
      const state = wedgeStates[Math.floor(size * wedgeStates.length)] ?? "starting";
      return before({ kind: "wedge", state, forMs: upToMs(10 * 60_000 - 1) });
    }
    case "lease":
      return before({ kind: "lease", forMs: 1000 + upToMs(20_000) });
    case "claimed":
      return before({ kind: "claimed", forMs: upToMs(120_000), holder: size < 0.5 ? "id" : "nul" });
    case "no_capacity":
      return before({ kind: "no_capacity" });
    default:
      return kind satisfies never;
  }
}

const errors = [
  { status: 500, body: { error: "internal server error" } },
  { status: 502, body: "<html><body><h1>502 Bad Gateway</h1></body></html>" },
  { status: 503, body: { error: "unavailable: upstream connect error" } },
  { status: 504, body: "<html><body><h1>504 Gateway Timeout</h1></body></html>" },
  { status: 408, body: { error: "deadline_exceeded: context deadline exceeded" } },
] as const;

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
