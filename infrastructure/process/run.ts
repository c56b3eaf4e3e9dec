import { spawn } from "node:child_process";
import { basename } from "node:path";
import { signalGroup } from "./group.ts";
import { forEachLine } from "./lines.ts";

export interface RunOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  /** Takes one line of output at a time. */
  readonly log: (line: string) => void;
}

/**
 * Runs a program to its end. All that it starts is in one process group, which is killed when the program ends, when the time
 * is up and when this process exits: programs like npx do not take their children along.
 *
 * @returns its last lines, of stdout and stderr together.
 * @throws with the last lines when it ends with another code than 0 or is killed, or with Node's error when it can't be run.
 */
export async function runToEnd(file: string, args: readonly string[], options: RunOptions): Promise<string> {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const kill = (): void => signalGroup(child, "SIGKILL");
  process.once("exit", kill);
  const timer = setTimeout(kill, options.timeoutMs);
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    forEachLine(stream, (line) => {
      lines.push(line);
      if (lines.length > LINES_MAX) lines.shift();
      options.log(line);
    });
  }
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  try {
    const end = await new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve(code ?? signal));
    });
    kill();
    await withinMs(closed, DRAIN_MS_MAX);
    if (end === 0) return lines.join("\n");
    throw new Error(`${basename(file)} ended with ${end}:\n${lines.join("\n")}`);
  } finally {
    clearTimeout(timer);
    process.removeListener("exit", kill);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

const LINES_MAX = 40;

/** What has left the group may hold the output open for ever; what the program itself wrote is read in a moment. */
const DRAIN_MS_MAX = 1_000;

async function withinMs(event: Promise<void>, delayMs: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, delayMs);
  await Promise.race([event, late.promise]);
  clearTimeout(timer);
}
