import { rm } from "node:fs/promises";
import { styleText } from "node:util";
import { tryLock } from "../../process/lock.ts";
import { dataMark, killMarked } from "../fly/runtime/leftovers.ts";
import { assertPortFree, PortTakenError } from "../ports.ts";
import { stopOrphan } from "../postgres.ts";
import type { Arguments } from "./arguments.ts";
import { banner, servicesBanner } from "./banner.ts";
import { bringUp, bringUpServices } from "./bring-up.ts";
import { HOST } from "./context.ts";
import { createEnding } from "./ending.ts";
import { readEnvironment } from "./environment.ts";
import { createLogs } from "./logs.ts";
import { createParts } from "./parts.ts";
import { localPaths, makeLocalDirectory, statePaths } from "./paths.ts";
import { removeReadyFile, writeReadyFile } from "./ready-file.ts";
import { loadSecrets } from "./secrets.ts";
import { onStopSignal } from "./signals.ts";
import { createSteps } from "./steps.ts";
import { createTerminal } from "./terminal.ts";

type StartArguments = Extract<Arguments, { kind: "start" }>;

/** All parts together; each has a shorter bound of its own. Ctrl-C is done within two seconds. */
const CLOSE_MS_MAX = 1_700;

/** What a shell makes of a program that Ctrl-C ended. */
const FORCED_EXIT_CODE = 130;

/**
 * Brings everything up, shows where to sign in, and returns; the parts keep the process alive. It ends by itself: with code 0
 * after a signal, and with 1 after a failure or the crash of a part.
 */
export async function start(args: StartArguments): Promise<void> {
  const terminal = createTerminal(process.stdout, { colours: hasColours() });
  // The message is for the person, the stack for the log.
  let logStack = (_stack: string) => {};
  const explain = (error: unknown) => {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    terminal.print(`${terminal.style("red", "✗")} ${message}`);
    for (const line of stack?.split("\n") ?? []) logStack(line);
  };
  const ending = createEnding(explain);
  const fail = (error: unknown) => {
    // What fails while everything ends, fails because everything ends.
    if (ending.hasBegun()) return;
    explain(error);
    ending.end(1);
  };
  onStopSignal(process, { stop: () => ending.end(0), force: () => process.exit(FORCED_EXIT_CODE) });
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);

  try {
    const environment = readEnvironment(process.env);
    const paths = localPaths(environment.KILOCLAW_LOCAL_DIR);
    await makeLocalDirectory(paths.dir);
    const release = tryLock(paths.lock);
    if (release === undefined) {
      throw new Error(
        `KiloClaw is running already, with its state in ${paths.dir}. Stop that one first (Ctrl-C).`,
      );
    }
    ending.add(release);
    if (args.worker) await assertPortFree(HOST, args.port);
    if (args.fresh) {
      // A start that was killed left its machines and its database running, which would go on with what is deleted here.
      await Promise.all([
        stopOrphan(paths.postgres),
        ...[paths.fly, paths.flyOfDev].map((dir) => killMarked(dataMark(dir))),
      ]);
      await Promise.all(statePaths(paths).map((path) => rm(path, { recursive: true, force: true })));
    }
    await removeReadyFile(paths.ready);
    ending.add(() => removeReadyFile(paths.ready));

    const logs = createLogs({ dir: paths.logs, verbose: args.verbose, terminal });
    logStack = (line) => logs.of("start")("debug", line);
    const parts = createParts((name, reason) => fail(new Error(`${name} failed: ${reason}`)));
    const stopping = new AbortController();
    ending.add(async () => {
      const unfinished = await parts.close(CLOSE_MS_MAX);
      if (unfinished.length > 0) throw new Error(`These did not end in time: ${unfinished.join(", ")}.`);
    });
    ending.add(() => {
      logs.hush();
      stopping.abort();
      terminal.endLive();
      terminal.print(terminal.style("dim", `Stopping. The logs are in ${paths.logs}.`));
    });

    const context = {
      environment,
      secrets: await loadSecrets(paths.secrets),
      paths,
      logs,
      parts,
      step: createSteps(terminal),
      workerPort: args.port,
      openclaw: args.openclaw,
      stopping: stopping.signal,
    };
    if (!args.worker) {
      const { envFile } = await bringUpServices(context);
      if (ending.hasBegun()) return;
      for (const line of servicesBanner(terminal, envFile)) terminal.print(line);
      return;
    }
    const { ready, codeExpiresAt } = await bringUp(context);
    if (ending.hasBegun()) return;
    await writeReadyFile(paths.ready, ready);
    for (const line of banner(terminal, { ...ready, until: codeExpiresAt })) terminal.print(line);
  } catch (error) {
    fail(
      error instanceof PortTakenError && error.port === args.port
        ? new Error(`${error.message} Choose another one: pnpm start --port ${args.port + 1}`, {
            cause: error,
          })
        : error,
    );
  }
}

/** NO_COLOR, FORCE_COLOR and the terminal's own abilities, as Node weighs them. */
function hasColours(): boolean {
  return styleText("red", "x", { stream: process.stdout }) !== "x";
}
