import { stripVTControlCharacters, styleText } from "node:util";

/** What `start` shows: whole lines, and on a terminal one live line under them. */
export interface Terminal {
  readonly isInteractive: boolean;
  readonly print: (line: string) => void;
  /** Replaces the live line; an empty text removes it. Without a terminal there is none. */
  readonly live: (text: string) => void;
  /** Removes the live line for good: what ends has no progress to show. */
  readonly endLive: () => void;
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
  let hasEnded = false;
  const erase = () => (current === "" ? "" : "\r\u{1b}[2K");
  const live = (text: string) => {
    if (!isInteractive || hasEnded) return;
    const shown = cut(text, widthOf(output) - 1);
    if (shown === current) return;
    output.write(`${erase()}${shown}`);
    current = shown;
  };
  return {
    isInteractive,
    print: (line) => output.write(`${erase()}${line}\n${current}`),
    live,
    endLive: () => {
      live("");
      hasEnded = true;
    },
    style: (format, text) => (options.colours ? styleText(format, text, { validateStream: false }) : text),
  };
}

/** A pseudo-terminal without a size says 0. */
function widthOf({ columns = 0 }: Output): number {
  return columns === 0 ? 80 : columns;
}

/** A line that wraps could not be erased again. */
function cut(text: string, columns: number): string {
  const plain = stripVTControlCharacters(text).replace(/\s+/gu, " ");
  return plain.length <= columns ? plain : `${plain.slice(0, Math.max(0, columns - 1))}…`;
}
