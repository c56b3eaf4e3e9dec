import type { FlyExec } from "../fly/client.ts";
import { type CliRun, type ExecFailure, type ExecPlace, failed, runOne } from "./exec.ts";
import type { Approval } from "./wire.ts";

export type ByExec<T> = { kind: "answered"; value: T } | ExecFailure;

/** Runs a command that approves something; `nothing` is what it says where there is nothing to approve. */
export async function approveByCli(
  fly: FlyExec,
  place: ExecPlace,
  nothing: RegExp,
  args: readonly string[],
): Promise<ByExec<Approval>> {
  const done = await runOne(fly, place, args);
  if (done.kind === "failed") return done;
  if (done.run.exitCode === 0) return outcome("approved");
  return nothing.test(done.run.stderr + done.run.stdout) ? outcome("not_pending") : unfinished(done.run);
}

export function outcome(what: Approval["outcome"]): ByExec<Approval> {
  return { kind: "answered", value: { outcome: what } };
}

export function unfinished({ timedOut }: CliRun): ExecFailure {
  return failed(timedOut ? "cli_timeout" : "cli_failed");
}
