import { DOCTOR_OUTPUT_CHARS_MAX, type Doctor } from "../../src/gateway/wire.ts";
import type { Redact } from "../log.ts";
import { startChild, type Child, type Command } from "./child.ts";

/** OpenClaw's own doctor, as a job: it takes 3 to 13 s on a good machine (openclaw-gateway.md §4.1), and minutes on a bad one. */
export interface DoctorJob {
  /** Starts one, or joins the one that runs. */
  run(options: { readonly fix: boolean }): Doctor;
  status(): Doctor;
  cancel(): Doctor;
  /** Resolves when the one that runs has ended; at once where none runs. */
  ended(): Promise<void>;
  /** Ends the one that runs, and starts no other. */
  close(): Promise<void>;
}

const TIMEOUT_MS = 180_000;
/** Time to put away what it was writing. */
const CANCEL_GRACE_MS = 2_000;

/**
 * @param commandFor the CLI with these arguments, in the gateway's own environment; null while no OpenClaw is known
 * @param redact takes secrets out of its output
 */
export function createDoctor(options: {
  readonly commandFor: (args: readonly string[]) => Command | null;
  readonly redact: Redact;
  readonly timeoutMs?: number;
}): DoctorJob {
  let last: Doctor = {
    state: "never_run",
    fix: false,
    startedAt: null,
    endedAt: null,
    exitCode: null,
    output: "",
  };
  let child: Child | null = null;
  let done: Promise<void> = Promise.resolve();
  let endAs: "cancelled" | "timed_out" | null = null;
  let isClosed = false;

  const end = (as: "cancelled" | "timed_out"): void => {
    if (child === null) return;
    endAs ??= as;
    void child.stop(CANCEL_GRACE_MS);
  };

  const follow = async (running: Child): Promise<void> => {
    const timer = setTimeout(() => end("timed_out"), options.timeoutMs ?? TIMEOUT_MS);
    const exit = await running.exited;
    clearTimeout(timer);
    const exitCode = exit.kind === "exited" ? exit.code : null;
    last = {
      ...last,
      state: endAs ?? (exitCode === 0 ? "done" : "failed"),
      endedAt: new Date().toISOString(),
      exitCode,
    };
    child = null;
  };

  return {
    run({ fix }) {
      if (child !== null || isClosed) return last;
      const startedAt = new Date().toISOString();
      const args = ["doctor", "--non-interactive", ...(fix ? ["--fix", "--yes"] : [])];
      const command = options.commandFor(args);
      if (command === null) {
        last = { state: "failed", fix, startedAt, endedAt: startedAt, exitCode: null, output: "" };
        return last;
      }
      last = { state: "running", fix, startedAt, endedAt: null, exitCode: null, output: "" };
      endAs = null;
      const add = (_stream: string, line: string): void => {
        last = { ...last, output: `${last.output}${line}\n`.slice(-DOCTOR_OUTPUT_CHARS_MAX) };
      };
      child = startChild(command, add, options.redact);
      done = follow(child);
      return last;
    },
    status: () => last,
    cancel() {
      end("cancelled");
      return last;
    },
    ended: () => done,
    async close() {
      isClosed = true;
      end("cancelled");
      await done;
    },
  };
}
