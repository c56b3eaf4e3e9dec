import { parseArgs } from "node:util";
import { OPENCLAW_PIN, OPENCLAW_VERSIONS, type OpenClawVersion } from "../../docker/openclaw.ts";

export type Arguments =
  | {
      readonly kind: "start";
      readonly fresh: boolean;
      readonly verbose: boolean;
      readonly port: number;
      /** False: all but the Worker, for `pnpm dev` to run that. */
      readonly worker: boolean;
      /** What the machines run. */
      readonly openclaw: OpenClawVersion;
    }
  | { readonly kind: "help" }
  | { readonly kind: "invalid"; readonly problem: string };

/** The Worker's port when none is asked for. */
export const WORKER_PORT = 8787;

export const USAGE = `Usage: pnpm start [options]

Runs all of KiloClaw on this computer: Postgres, a Fly, the Worker, and one demo user's OpenClaw.

Options:
  --port N     the Worker's port (default ${WORKER_PORT})
  --fresh      begin anew: delete the local database, machines and secrets first, without asking
  --no-worker  run all but the Worker and the demo user, for a Worker of your own: pnpm dev
  --openclaw V the OpenClaw that the machines run: ${OPENCLAW_VERSIONS.join(" or ")} (default ${OPENCLAW_PIN})
  --verbose    show everything that is logged, not only warnings and errors
  --help       show this

Environment:
  DATABASE_URL           use this Postgres (as a role that may create roles and tables) instead of starting one
  KILOCODE_API_KEY       let OpenClaw talk to this account's models instead of the local model server
  KILOCODE_API_BASE_URL  … at this OpenAI-compatible base URL
  KILOCODE_DEFAULT_MODEL … with this model, as the provider names it
  KILOCLAW_LOCAL_DIR     keep the state and the logs here instead of in .local
`;

/** Reads the command line; everything it does not know is a mistake worth telling. */
export function readArguments(argv: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        port: { type: "string" },
        fresh: { type: "boolean", default: false },
        verbose: { type: "boolean", default: false },
        worker: { type: "boolean", default: true },
        openclaw: { type: "string", default: OPENCLAW_PIN },
        help: { type: "boolean", short: "h", default: false },
      },
      strict: true,
      allowNegative: true,
      allowPositionals: false,
    });
    if (values.help) return { kind: "help" };
    const port = values.port === undefined ? WORKER_PORT : portOf(values.port);
    if (port === null)
      return { kind: "invalid", problem: `--port takes a number from 1 to 65535, not '${values.port}'.` };
    const openclaw = OPENCLAW_VERSIONS.find((version) => version === values.openclaw);
    if (openclaw === undefined) {
      const known = OPENCLAW_VERSIONS.join(" or ");
      return { kind: "invalid", problem: `--openclaw takes ${known}, not '${values.openclaw}'.` };
    }
    const { fresh, verbose, worker } = values;
    return { kind: "start", fresh, verbose, port, worker, openclaw };
  } catch (error) {
    // The parser explains at length how to pass a positional argument; its first sentence says what is wrong.
    const problem = error instanceof Error ? (error.message.split(". ")[0] ?? error.message) : String(error);
    return { kind: "invalid", problem: `${problem.replace(/\.$/u, "")}.` };
  }
}

function portOf(text: string): number | null {
  const port = /^\d{1,5}$/u.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : null;
}
