import { appendFileSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Log, LogLevel } from "../log.ts";
import { readableLine } from "./readable-line.ts";
import type { Terminal } from "./terminal.ts";

/** The logs of all parts: everything into one file each, and what deserves attention onto the terminal. */
export interface Logs {
  readonly of: (part: string) => Log;
  /** From here on only into the files: parts that are being stopped complain about one another. */
  readonly hush: () => void;
}

/** A file past this size becomes `<part>.1.log`, in place of the one before it. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

const COLOURS = ["cyan", "magenta", "blue", "yellow", "green"] as const;

/** @param options.verbose shows every line, not only warnings and errors. */
export function createLogs(options: { dir: string; verbose: boolean; terminal: Terminal }): Logs {
  const { dir, verbose, terminal } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const parts = new Map<string, Log>();
  let hushed = false;
  return {
    of: (part) => {
      const known = parts.get(part);
      if (known !== undefined) return known;
      const append = createLogFile(dir, part);
      const prefix = terminal.style(COLOURS[parts.size % COLOURS.length] ?? "cyan", `[${part}]`);
      const log: Log = (level, line) => {
        append(`${new Date().toISOString()} ${level.padEnd(5)} ${line}\n`);
        if (hushed || !(verbose || deservesAttention(level))) return;
        const shown = readableLine(line);
        terminal.print(`${prefix} ${level === "error" ? terminal.style("red", shown) : shown}`);
      };
      parts.set(part, log);
      return log;
    },
    hush: () => {
      hushed = true;
    },
  };
}

function deservesAttention(level: LogLevel): boolean {
  return level === "warn" || level === "error";
}

/** Writes at once, so that the last words of a crash are in the file. */
function createLogFile(dir: string, part: string): (text: string) => void {
  const path = join(dir, `${part}.log`);
  let bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return (text) => {
    if (bytes > FILE_BYTES_MAX) {
      const older = join(dir, `${part}.1.log`);
      rmSync(older, { force: true });
      renameSync(path, older);
      bytes = 0;
    }
    appendFileSync(path, text, { mode: 0o600 });
    bytes += Buffer.byteLength(text);
  };
}
