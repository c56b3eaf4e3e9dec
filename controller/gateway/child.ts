import { spawn } from "node:child_process";
import { errorText } from "../log.ts";
import { createLineSplitter } from "./lines.ts";

/** A program, its arguments and its whole environment. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

export type ChildExit =
  | { readonly kind: "exited"; readonly code: number | null; readonly signal: NodeJS.Signals | null }
  | { readonly kind: "spawn_failed"; readonly error: string };

export type LineListener = (stream: "stdout" | "stderr", line: string) => void;

export interface Child {
  readonly pid: number | null;
  /** Resolves once, when the process has ended and the rest of its group has been killed. Never rejects. */
  readonly exited: Promise<ChildExit>;
  /**
   * Asks the process to end, and kills its whole group when it has not after `graceMs`. Resolves when it is
   * gone; does nothing for one that is gone already.
   */
  stop(graceMs: number): Promise<ChildExit>;
}

/**
 * Starts a program at the head of a process group of its own, so that what it starts in turn can be ended
 * with it. A child's output is passed on by lines.
 */
export function startChild(command: Command, onLine: LineListener): Child {
  const child = spawn(command.file, [...command.args], {
    env: { ...command.env },
    cwd: command.cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const name of ["stdout", "stderr"] as const) {
    const lines = createLineSplitter((line) => onLine(name, line));
    child[name].setEncoding("utf8").on("data", lines.write).on("end", lines.end);
    child[name].on("error", (error) => onLine(name, `reading the output failed: ${error.message}`));
  }

  const pid = child.pid ?? null;
  const exited = new Promise<ChildExit>((resolve) => {
    child.once("error", (error) => {
      if (pid === null) resolve({ kind: "spawn_failed", error: errorText(error) });
    });
    // "exit", not "close": a grandchild that keeps our pipe open must not hide that the process is gone.
    child.once("exit", (code, signal) => {
      if (pid !== null) killGroup(pid);
      resolve({ kind: "exited", code, signal });
    });
  });

  return {
    pid,
    exited,
    async stop(graceMs) {
      if (pid !== null) {
        child.kill("SIGTERM");
        const timer = setTimeout(() => killGroup(pid), graceMs);
        void exited.then(() => clearTimeout(timer));
      }
      return exited;
    },
  };
}

/**
 * Kills every process of a group; one that is empty already is what was wanted. So is one of zombies, for which
 * macOS answers EPERM instead of ESRCH.
 */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
