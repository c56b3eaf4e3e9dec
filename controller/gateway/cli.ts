import { startChild, type ChildExit } from "./child.ts";

/** OpenClaw's command line: one process at a time, for each is 200 to 500 MB (openclaw-gateway.md §4.1). */
export interface Cli {
  /** Never rejects. Calls wait for one another, in order; the bound counts from the process's start. */
  run(args: readonly string[], timeoutMs?: number): Promise<CliResult>;
  /** Kills the process that runs; nothing is started any more. Resolves when it is gone. */
  close(): Promise<void>;
}

export type CliResult =
  | { readonly kind: "exited"; readonly code: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: "failed"; readonly why: "timeout" | "closed" | "busy" | "not_started" | "killed" };

/** A command of the CLI takes up to a minute on a small machine (scenarios.md 39); one that takes longer is wedged. */
const TIMEOUT_MS = 45_000;
/** Calls that wait at a time; more are refused rather than piled up. */
const WAITING_MAX = 8;
/** Lists are some kilobytes; lines longer than the splitter's bound are cut, so that the whole is bounded too. */
const LINES_MAX = 5_000;

/**
 * @param commandFor the program with these arguments, in the gateway's own environment; null while no OpenClaw is known
 */
export function createCli(
  commandFor: (
    args: readonly string[],
  ) => { file: string; args: readonly string[]; env: Readonly<Record<string, string>>; cwd: string } | null,
): Cli {
  let isClosed = false;
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  let kill: (() => Promise<unknown>) | null = null;

  const runNow = async (args: readonly string[], timeoutMs: number): Promise<CliResult> => {
    if (isClosed) return { kind: "failed", why: "closed" };
    const command = commandFor(args);
    if (command === null) return { kind: "failed", why: "not_started" };
    const lines: Record<"stdout" | "stderr", string[]> = { stdout: [], stderr: [] };
    const child = startChild(command, (stream, line) => {
      if (lines[stream].length < LINES_MAX) lines[stream].push(line);
    });
    let ended: "timeout" | "closed" | null = null;
    const end = (why: "timeout" | "closed"): Promise<ChildExit> => {
      ended ??= why;
      return child.stop(0);
    };
    kill = () => end("closed");
    const timer = setTimeout(() => void end("timeout"), timeoutMs);
    const exit = await child.exited;
    clearTimeout(timer);
    kill = null;
    if (ended !== null) return { kind: "failed", why: ended };
    if (exit.kind === "spawn_failed") return { kind: "failed", why: "not_started" };
    if (exit.code === null) return { kind: "failed", why: "killed" };
    return {
      kind: "exited",
      code: exit.code,
      stdout: lines.stdout.join("\n"),
      stderr: lines.stderr.join("\n"),
    };
  };

  return {
    async run(args, timeoutMs = TIMEOUT_MS) {
      if (waiting >= WAITING_MAX) return { kind: "failed", why: "busy" };
      waiting += 1;
      const before = last;
      const result = before.then(() => runNow(args, timeoutMs));
      last = result;
      try {
        return await result;
      } finally {
        waiting -= 1;
      }
    },
    async close() {
      isClosed = true;
      await kill?.();
      await last;
    },
  };
}
