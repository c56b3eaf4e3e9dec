import { migrate } from "./migrations.ts";
import { type InstanceState, instanceStateSchema } from "./state.ts";

export type ReadState =
  | { kind: "absent" }
  | { kind: "readable"; state: InstanceState }
  | { kind: "unreadable"; issues: string };

/** Parses a stored record. What can't be read is reported by field path, never by value, since values are secrets. */
export function readState(stored: unknown): ReadState {
  if (stored === undefined || stored === null) return { kind: "absent" };
  const parsed = instanceStateSchema.safeParse(migrate(stored));
  if (parsed.success) return { kind: "readable", state: parsed.data };
  const issues = parsed.error.issues.slice(0, 10).map((issue) => `${issue.path.join(".")}: ${issue.code}`);
  return { kind: "unreadable", issues: issues.join(", ") };
}
