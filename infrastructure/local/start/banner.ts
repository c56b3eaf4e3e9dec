import { stripVTControlCharacters } from "node:util";
import type { Terminal } from "./terminal.ts";

/** The last thing that `start` shows: where to go, and what to type there. */
export function banner(
  terminal: Terminal,
  ready: { signInUrl: string; accessCode: string; until: Date },
): string[] {
  const { style } = terminal;
  const time = ready.until.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  return box(terminal, [
    style("bold", "KiloClaw is ready."),
    "",
    `Open   ${style(["bold", "cyan"], ready.signInUrl)}`,
    `Code   ${style(["bold", "green"], ready.accessCode)}   ${style("dim", `once, until ${time}`)}`,
    "",
    style("dim", "Ctrl-C stops everything and keeps your data; pnpm start brings it back."),
  ]);
}

/** The same without the Worker: how to run one beside this. */
export function servicesBanner(terminal: Terminal, envFile: string): string[] {
  const { style } = terminal;
  return box(terminal, [
    style("bold", "All but the Worker is ready."),
    "",
    `Run it    ${style(["bold", "cyan"], `pnpm dev --env-file ${envFile}`)}`,
    "",
    style("dim", "Ctrl-C stops everything and keeps your data."),
  ]);
}

function box(terminal: Terminal, lines: string[]): string[] {
  const width = Math.max(...lines.map(widthOf));
  const edge = (text: string) => terminal.style("green", text);
  return [
    edge(`╭${"─".repeat(width + 4)}╮`),
    ...lines.map((line) => `${edge("│")}  ${line}${" ".repeat(width - widthOf(line))}  ${edge("│")}`),
    edge(`╰${"─".repeat(width + 4)}╯`),
  ];
}

function widthOf(line: string): number {
  return stripVTControlCharacters(line).length;
}
