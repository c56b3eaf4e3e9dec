import { spawn } from "node:child_process";
import { constants } from "node:os";
import { signalGroup } from "../../../process/group.ts";
import type { ExecOptions, ExecOutcome } from "./runtime.ts";

/**
 * Runs a command in a machine's environment, in a process group of its own that is killed when the time is up or the
 * output grows too large. It gets no input, as Fly delivers none either. What the command leaves in the background
 * goes on.
 */
export function execIn(
  place: { env: Readonly<Record<string, string>>; cwd: string },
  argv: readonly string[],
  options: ExecOptions,
): Promise<ExecOutcome> {
  const [program, ...args] = argv;
  if (program === undefined) return Promise.resolve({ kind: "unavailable", reason: "no command" });
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: place.cwd,
      env: place.env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    let bytes = 0;
    const finish = (outcome: ExecOutcome): void => {
      clearTimeout(timer);
      clearTimeout(drainTimer);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve(outcome);
    };
    const cutOff = (outcome: ExecOutcome): void => {
      signalGroup(child, "SIGKILL");
      finish(outcome);
    };
    const timer = setTimeout(() => cutOff({ kind: "timed_out" }), options.timeoutMs);
    let drainTimer: NodeJS.Timeout | undefined;
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8");
      child[name].on("data", (chunk: string) => {
        bytes += Buffer.byteLength(chunk);
        if (bytes > options.outputBytesMax) cutOff({ kind: "output_too_large" });
        else output[name] += chunk;
      });
    }
    const finished = (code: number | null, signal: NodeJS.Signals | null): void =>
      finish({
        kind: "finished",
        exitCode: code ?? -1,
        exitSignal: signal === null ? 0 : constants.signals[signal],
        ...output,
      });
    child.on("error", (error) => finish({ kind: "unavailable", reason: error.message }));
    child.once("close", finished);
    child.once("exit", (code, signal) => {
      drainTimer = setTimeout(() => finished(code, signal), drainMsMax);
    });
  });
}

/** A background process may hold the output open for ever: this long after the exit, what has come is the output. */
const drainMsMax = 200;
