/** What the local Fly tells its host program. No entry carries a secret, an environment or a body. */
export type LogEntry =
  | { kind: "machine_output"; machineId: string; stream: "stdout" | "stderr"; line: string }
  | { kind: "machine_state"; machineId: string; state: string }
  | { kind: "request"; method: string; path: string; status: number; durationMs: number; requestId: string }
  /** A request the proxy could not deliver, with the code that Fly would put into the app's log. */
  | { kind: "proxy"; code: string; message: string }
  | { kind: "problem"; message: string };

export type Log = (entry: LogEntry) => void;

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
