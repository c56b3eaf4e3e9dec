import { spawn } from "node:child_process";
import { errorText, type Redact } from "../log.ts";
import { createLineSplitter } from "./lines.ts";

/** A program, its arguments and its whole environment. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** How long after its end a process's last words may still be on their way to us. */
const LAST_WORDS_MS = 250;

export type ChildExit =
  | { readonly kind: "exited"; readonly code: number | null; readonly signal: NodeJS.Signals | null }
  | { readonly kind: "spawn_failed"; readonly error: string };

export type LineListener = (stream: "stdout" | "stderr", line: string) => void;

export interface Child {
  readonly pid: number | null;
  /**
   * Resolves once, when the process has ended, the rest of its group has been killed and its last lines have been
   * passed on. Never rejects.
   */
  readonly exited: Promise<ChildExit>;
  /**
   * Asks the process to end, and kills its whole group when it has not after `graceMs`. Resolves when it is
   * gone; does nothing for one that is gone already.
   */
  stop(graceMs: number): Promise<ChildExit>;
  /** Sends a signal to the process alone. False when it is gone. */
  signal(name: NodeJS.Signals): boolean;
}

/**
 * Starts a program at the head of a process group of its own, so that what it starts in turn can be ended
 * with it. A child's output is passed on by lines, without what `redact` takes out of them.
 */
export function startChild(command: Command, onLine: LineListener, redact?: Redact): Child {
  let child;
  try {
    child = spawn(command.file, [...command.args], {
      env: { ...command.env },
      cwd: command.cwd,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    // Some failures come as an "error" event (ENOENT), others are thrown (E2BIG, ENOMEM, ENOTDIR).
    const exit: ChildExit = { kind: "spawn_failed", error: errorText(error) };
    return { pid: null, exited: Promise.resolve(exit), stop: async () => exit, signal: () => false };
  }
  for (const name of ["stdout", "stderr"] as const) {
    const lines = createLineSplitter((line) => onLine(name, line), redact);
    child[name].setEncoding("utf8").on("data", lines.write).on("end", lines.end);
    child[name].on("error", (error) => onLine(name, `reading the output failed: ${error.message}`));
  }

  const pid = child.pid ?? null;
  const exited = new Promise<ChildExit>((resolve) => {
    child.once("error", (error) => {
      if (pid === null) resolve({ kind: "spawn_failed", error: errorText(error) });
    });
    child.once("exit", (code, signal) => {
      if (pid !== null) killGroup(pid);
      const settle = (): void => resolve({ kind: "exited", code, signal });
      // "close" comes with the end of the output, and never while a grandchild keeps our pipe open.
      const timer = setTimeout(settle, LAST_WORDS_MS);
      child.once("close", () => {
        clearTimeout(timer);
        settle();
      });
    });
  });

  return {
    pid,
    exited,
    async stop(graceMs) {
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      if (pid !== null && !hasEnded) {
        child.kill("SIGTERM");
        const timer = setTimeout(() => killGroup(pid), graceMs);
        child.once("exit", () => clearTimeout(timer));
      }
      return exited;
    },
    signal: (name) => child.kill(name),
  };
}

/** Kills every process of a group. */
export function killGroup(pid: number): void {
  killProcess(-pid);
}

/**
 * Kills a process, or a group by its negative id; one that is gone already is what was wanted. So is a group of zombies, for
 * which macOS answers EPERM instead of ESRCH.
 */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
