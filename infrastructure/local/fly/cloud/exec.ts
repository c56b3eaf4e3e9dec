import { Refusal, refusals, type Outcome } from "../refusal.ts";
import type { Machine } from "../state/model.ts";
import type { Cloud } from "./cloud.ts";
import { gates } from "./gates.ts";
import { refuseLeased } from "./leases.ts";

export interface ExecAnswer {
  exit_code: number;
  exit_signal: number;
  stdout: string;
  stderr: string;
}

/** Fly's limit of an answer after JSON encoding. */
const answerBytesMax = 10 * 1024 * 1024;
const timeoutSecondsDefault = 30;
const timeoutSecondsMax = 60;

/** Runs a command in a started machine; its failure is an answer like any other (contracts/fly-machines-api §4.15). */
export async function execInMachine(
  cloud: Cloud,
  machine: Machine,
  nonce: string | undefined,
  request: { argv: readonly string[]; timeoutSeconds?: number | undefined },
): Promise<Outcome<ExecAnswer>> {
  const refused = refuseLeased(cloud, machine, nonce) ?? gates.running(machine, "exec");
  if (refused !== undefined) return refused;
  const handle = cloud.lifecycle.handle(machine.id);
  if (handle === undefined) return unavailable("the machine has no process");
  const timeoutSeconds = Math.min(request.timeoutSeconds ?? timeoutSecondsDefault, timeoutSecondsMax);
  const outcome = await handle.exec(request.argv, {
    timeoutMs: timeoutSeconds * 1000,
    outputBytesMax: answerBytesMax,
  });
  switch (outcome.kind) {
    case "finished": {
      const { exitCode, exitSignal, stdout, stderr } = outcome;
      const answer = { exit_code: exitCode, exit_signal: exitSignal, stdout, stderr };
      return Buffer.byteLength(JSON.stringify(answer)) > answerBytesMax ? tooLarge() : answer;
    }
    case "output_too_large":
      return tooLarge();
    case "timed_out":
      return new Refusal(
        408,
        'deadline_exceeded: Post "http://unix/v1/exec": net/http: request canceled (Client.Timeout exceeded while awaiting headers)',
      );
    case "busy":
      return refusals.rateLimited();
    case "unavailable":
      return unavailable(outcome.reason);
    default:
      return outcome satisfies never;
  }
}

function tooLarge(): Refusal {
  return new Refusal(
    500,
    `exec output exceeds the maximum allowed response size after JSON encoding (${answerBytesMax} byte limit)`,
  );
}

function unavailable(reason: string): Refusal {
  return new Refusal(412, `failed_precondition: unable to exec in machine: ${reason}`);
}
