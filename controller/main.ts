import { once } from "node:events";
import type { ControllerHealth } from "../src/gateway/wire.ts";
import { bootMachine, type Machine } from "./boot.ts";
import { ignoredNames } from "./environment.ts";
import { createControllerServer } from "./http/server.ts";
import { openEnvironment } from "./handover.ts";
import { createRoutes } from "./http/routes.ts";
import { createLog, createRedaction, errorText } from "./log.ts";
import { deriveGatewaySecrets, secretValuesIn } from "./secrets.ts";
import { readPlace, readSettings } from "./settings.ts";

/** What the end of the controller takes beyond that of its gateway. */
const END_MARGIN_MS = 5_000;
/** Names of variables in one line of the log. */
const NAMES_LOGGED_MAX = 50;

const { unsealed, stored } = await openEnvironment();
const env = unsealed.ok ? unsealed.env : process.env;
const { place, ignored } = readPlace(env);
const read = unsealed.ok ? readSettings(env) : unsealed;
// The key of a sealed environment is only in the one, and what was sealed only in the other.
const redaction = createRedaction([
  ...secretValuesIn(process.env),
  ...secretValuesIn(env),
  ...(read.ok ? Object.values(deriveGatewaySecrets(read.settings.gatewayToken)) : []),
]);
const log = createLog((line) => process.stdout.write(`${line}\n`), redaction);
let machine: Machine | null = null;
let isEnding = false;

const server = createControllerServer({
  routes: createRoutes({
    health: () => machine?.health() ?? healthWithoutMachine(),
    backend: () => machine?.backend ?? null,
    log,
  }),
  door: () => machine?.door ?? null,
  log,
});

// Whoever read our log may go before us; a line that nobody reads is no reason to end.
process.stdout.on("error", () => undefined);
process.on("SIGTERM", () => void end("SIGTERM", 0));
process.on("SIGINT", () => void end("SIGINT", 0));
process.on("uncaughtException", (error) => {
  log("error", "an error was caught nowhere", { error: error.stack ?? error.message });
  void end("uncaughtException", 1);
});

server.listen(place.port, place.host);
await once(server, "listening");
log("info", "the controller listens", { host: place.host, port: place.port });
const unusable = [...ignored, ...(read.ok ? read.ignored : [])];
if (unusable.length > 0) log("warn", "unusable environment variables are ignored", { names: unusable });
if (stored !== "none")
  log(stored === "unusable" ? "error" : "info", "there were settings of a later day", { stored });
const notPassedOn = [...ignoredNames(env), ...(unsealed.ok ? unsealed.ignored : [])].slice(
  0,
  NAMES_LOGGED_MAX,
);
if (notPassedOn.length > 0) log("warn", "variables that nobody may set are ignored", { names: notPassedOn });
if (read.ok) machine = bootMachine(place, read.settings, env, log, redaction);
else log("error", "the machine's environment is unusable", { problems: read.problems });

async function end(cause: string, exitCode: 0 | 1): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  log("info", "the controller ends", { cause });
  // Whatever hangs below, the platform's own kill is not waited for.
  setTimeout(() => process.exit(1), place.stopTimeoutMs + END_MARGIN_MS).unref();
  try {
    await machine?.shutdown();
    server.closeAllConnections();
    process.exit(exitCode);
  } catch (error) {
    log("error", "the controller could not end in order", { error: errorText(error) });
    process.exit(1);
  }
}

function healthWithoutMachine(): ControllerHealth {
  if (read.ok) return { state: "starting", stage: "environment" };
  return { state: "degraded", stage: unsealed.ok ? "config" : "sealed_environment" };
}
