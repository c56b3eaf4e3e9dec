import { stripVTControlCharacters, styleText } from "node:util";

/** What `start` shows: whole lines, and on a terminal one live line under them. */
export interface Terminal {
  readonly isInteractive: boolean;
  readonly print: (line: string) => void;
  /** Replaces the live line; an empty text removes it. Without a terminal there is none. */
  readonly live: (text: string) => void;
  readonly style: (format: Parameters<typeof styleText>[0], text: string) => string;
}

/** A place to write to: `process.stdout`, or a test's own. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly write: (text: string) => unknown;
}

/** @param options.colours by default as the environment asks: off for files, pipes and NO_COLOR. */
export function createTerminal(output: Output, options: { colours: boolean }): Terminal {
  const isInteractive = output.isTTY === true;
  let current = "";
  const erase = () => (current === "" ? "" : "\r\u{1b}[2K");
  return {
    isInteractive,
    print: (line) => output.write(`${erase()}${line}\n${current}`),
    live: (text) => {
      if (!isInteractive) return;
      const shown = cut(text, (output.columns ?? 80) - 1);
      if (shown === current) return;
      output.write(`${erase()}${shown}`);
      current = shown;
    },
    style: (format, text) => (options.colours ? styleText(format, text, { validateStream: false }) : text),
  };
}

/** A line that wraps could not be erased again. */
function cut(text: string, columns: number): string {
  const plain = stripVTControlCharacters(text).replace(/\s+/gu, " ");
  return plain.length <= columns ? plain : `${plain.slice(0, Math.max(0, columns - 1))}…`;
}
