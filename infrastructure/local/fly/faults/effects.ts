import { z } from "zod";
import type { ActionName } from "../http/actions.ts";
import { historyMsMax } from "./history.ts";
import { wedgeStates } from "./wedges.ts";

/** Longer than any client waits, and short enough that a forgotten fault ends. */
const durationMs = z
  .number()
  .int()
  .min(0)
  .max(10 * 60_000);

const error = z.strictObject({
  kind: z.literal("error"),
  status: z.number().int().min(400).max(599),
  /** An object is sent as JSON, a text as HTML. */
  body: z.union([z.string(), z.record(z.string(), z.unknown())]),
});
/** The connection is dropped. Before the effect of the call, it may still take effect `lateMs` after. */
const lost = z.strictObject({ kind: z.literal("lost"), lateMs: durationMs.optional() });
const delay = z.strictObject({ kind: z.literal("delay"), forMs: durationMs });

/** What a rule can do to a call, in the words of `POST /_test/faults`. */
export const effectSchema = z.discriminatedUnion("kind", [
  error,
  lost,
  delay,
  z.strictObject({ kind: z.literal("rate_limited"), retryAfterSeconds: z.number().int().min(0).optional() }),
  /** A list, as of so long ago. */
  z.strictObject({ kind: z.literal("stale"), agoMs: z.number().int().min(1).max(historyMsMax) }),
  /** A list, with nothing in it. */
  z.strictObject({ kind: z.literal("empty") }),
  /** What the call makes cannot be read for so long. */
  z.strictObject({ kind: z.literal("hidden"), forMs: durationMs }),
  /** The call's machine does not get out of this state. */
  z.strictObject({
    kind: z.literal("wedge"),
    state: z.enum(wedgeStates),
    forMs: durationMs.optional(),
  }),
  /** Somebody else takes the call's machine just before. */
  z.strictObject({ kind: z.literal("lease"), forMs: durationMs.min(1) }),
  /** The volumes of the machine stay claimed for so long after it is destroyed. */
  z.strictObject({
    kind: z.literal("claimed"),
    forMs: durationMs,
    holder: z.enum(["id", "nul"]).default("id"),
  }),
  /** There is no room for what the call wants. */
  z.strictObject({ kind: z.literal("no_capacity") }),
  z.strictObject({ kind: z.literal("quota") }),
]);
export type Effect = z.infer<typeof effectSchema>;

/** Effects that can also come after the call did what it should, in place of or before its answer. */
export const afterSchema = z.discriminatedUnion("kind", [error, lost.omit({ lateMs: true }), delay]);
export type AfterEffect = z.infer<typeof afterSchema>;

/** Whether the effect can happen to calls for the action. */
export function fitsAction(kind: Effect["kind"], action: ActionName): boolean {
  switch (kind) {
    case "stale":
    case "empty":
      return action.endsWith("_list");
    case "hidden":
      return action === "machine_create" || action === "volume_create";
    case "wedge":
      return changesMachine.has(action);
    case "lease":
      return changesMachine.has(action) && action !== "machine_create";
    case "claimed":
      return action === "machine_delete";
    case "no_capacity":
    case "quota":
      return ["machine_create", "machine_start", "machine_update", "volume_create"].includes(action);
    case "error":
    case "lost":
    case "delay":
    case "rate_limited":
      return true;
    default:
      return kind satisfies never;
  }
}

const changesMachine: ReadonlySet<ActionName> = new Set([
  "machine_create",
  "machine_start",
  "machine_stop",
  "machine_update",
  "machine_restart",
  "machine_delete",
] as const);

/** Whether the call is answered, or never will be, with this. */
export function endsCall(effect: Effect): boolean {
  return !["delay", "hidden", "wedge", "lease", "claimed"].includes(effect.kind);
}
