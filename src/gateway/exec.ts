import { z } from "zod";
import type { FlyExec } from "../fly/client.ts";
import type { FlyError } from "../fly/errors.ts";
import { jsonOf } from "./ask.ts";
import { CLI_SCRIPT } from "./cli-script.ts";
import { DOCTOR_SCRIPT } from "./doctor-script.ts";
import { type Doctor, DOCTOR_OUTPUT_CHARS_MAX, doctorSchema } from "./wire.ts";

/** Where an exec runs. */
export type ExecPlace = { appName: string; machineId: string };

/** How one command of the CLI ended; `exitCode` is null where it did not end by itself. */
export type CliRun = z.infer<typeof runSchema>;

export type CliResult = { kind: "ran"; node: string; runs: CliRun[] } | ExecFailure;

/** Stable words for why an exec brought nothing. What Fly said is in its client's log, and goes no further. */
export type ExecFailure = {
  kind: "failed";
  reason:
    | "exec_refused"
    | "exec_rate_limited"
    | "exec_timeout"
    | "exec_unanswered"
    | "exec_unreadable"
    | "openclaw_not_found"
    | "config_unreadable"
    | "granted_too_much"
    /** And it could not be taken back. */
    | "granted_too_much_still"
    | "cli_failed"
    | "cli_timeout"
    | "cli_unreadable";
  retryAfterS: number | null;
};

/** The CLI's arguments, one by one; or its list of pairing requests for each channel of the configuration. */
export type CliCommands = readonly (readonly string[])[] | "channels";

/** Fly gives longer commands up (fly-machines-api.md §4.15). */
const EXEC_TIMEOUT_S = 30;
/** What is left is for the start of the script, and for its answer. */
const CLI_TIMEOUT_MS = 26_000;
/** It takes ten seconds on two cores of a laptop (openclaw-gateway.md §4.1), and many times that on a small machine. */
const DOCTOR_TIMEOUT_MS = 300_000;
/** Lists of hundreds of devices; Fly's own limit for all that is printed is 10 MiB. */
const OUTPUT_CHARS_MAX = 200_000;
const RUNS_MAX = 16;

const text = z.string().max(OUTPUT_CHARS_MAX);
const runSchema = z.object({
  args: z.array(z.string()).max(16),
  exitCode: z.int().nullable(),
  timedOut: z.boolean(),
  stdout: text,
  stderr: text,
});
const cliSchema = z.object({ node: z.string().min(1).max(80), runs: z.array(runSchema).max(RUNS_MAX) });
const problemSchema = z.object({ problem: z.enum(["no_openclaw", "config_unreadable"]) });

/**
 * Runs commands of OpenClaw's CLI in a machine, one after the other. What they are told are arguments, never parts of a script or of a
 * shell's line.
 */
export async function runCli(fly: FlyExec, place: ExecPlace, commands: CliCommands): Promise<CliResult> {
  const request = { commands, timeoutMs: CLI_TIMEOUT_MS, outputCharsMax: OUTPUT_CHARS_MAX };
  const done = await runScript(fly, place, { script: CLI_SCRIPT, request, schema: cliSchema });
  return done.kind === "failed" ? done : { kind: "ran", ...done.answer };
}

/** What is asked of the doctor that a machine may have running. */
export type DoctorRequest = { verb: "read" | "cancel" } | { verb: "start"; fix: boolean };

/** The machine's doctor after that; it goes on when the exec is over. */
export async function execDoctor(
  fly: FlyExec,
  place: ExecPlace,
  what: DoctorRequest,
): Promise<{ kind: "answered"; value: Doctor } | ExecFailure> {
  const request = { ...what, timeoutMs: DOCTOR_TIMEOUT_MS, outputCharsMax: DOCTOR_OUTPUT_CHARS_MAX };
  const done = await runScript(fly, place, { script: DOCTOR_SCRIPT, request, schema: doctorSchema });
  return done.kind === "failed" ? done : { kind: "answered", value: done.answer };
}

async function runScript<T>(
  fly: FlyExec,
  { appName, machineId }: ExecPlace,
  { script, request, schema }: { script: string; request: unknown; schema: z.ZodType<T> },
): Promise<{ kind: "ran"; answer: T } | ExecFailure> {
  const argv = ["node", "-e", script, "--", JSON.stringify(request)] as const;
  const done = await fly.execInMachine(appName, machineId, argv, EXEC_TIMEOUT_S);
  if (!done.ok) return failureOf(done.error);
  const said = jsonOf(done.value.stdout);
  const answer = schema.safeParse(said);
  if (answer.success) return { kind: "ran", answer: answer.data };
  const told = problemSchema.safeParse(said);
  if (!told.success) return failed("exec_unreadable");
  return failed(told.data.problem === "no_openclaw" ? "openclaw_not_found" : "config_unreadable");
}

/** Runs one command. */
export async function runOne(
  fly: FlyExec,
  place: ExecPlace,
  args: readonly string[],
): Promise<{ kind: "ran"; node: string; run: CliRun } | ExecFailure> {
  const result = await runCli(fly, place, [args]);
  if (result.kind === "failed") return result;
  const [run] = result.runs;
  return run === undefined ? failed("exec_unreadable") : { kind: "ran", node: result.node, run };
}

export function failed(reason: ExecFailure["reason"], retryAfterS: number | null = null): ExecFailure {
  return { kind: "failed", reason, retryAfterS };
}

/** What Fly's refusal of an exec, or its silence, is called on our side. */
function failureOf(error: FlyError): ExecFailure {
  if (error.kind === "rate_limited") {
    return failed("exec_rate_limited", Math.ceil(error.retryAfterMs / 1_000));
  }
  if (error.kind !== "unknown_outcome") return failed("exec_refused");
  return failed(error.status === 408 ? "exec_timeout" : "exec_unanswered", RETRY_AFTER_S);
}

/** A command that was given up may still run, and takes the machine's memory until it ends. */
const RETRY_AFTER_S = 30;
