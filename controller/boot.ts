import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Capability, ConfigReport, ControllerHealth, GatewayStatus } from "../src/gateway/wire.ts";
import { configuredChannels, updateConfigFile, type WriteOutcome } from "./config/file.ts";
import { bringToSettings } from "./config/live.ts";
import { NOTHING_WRITTEN, reportOf } from "./config/report.ts";
import { makeSecretsDirectory, removeSecretsDirectory, writeSecretsFile } from "./config/secrets-file.ts";
import { configWriterFor, readsSecretsFile } from "./config/versions.ts";
import { gatewayEnvironment, gatewayPaths, type GatewayPaths } from "./environment.ts";
import type { Command } from "./gateway/child.ts";
import { createCli } from "./gateway/cli.ts";
import { createDoctor } from "./gateway/doctor.ts";
import { generationOf, type Generation } from "./gateway/generation.ts";
import { createGatewayLink } from "./gateway/link.ts";
import { createGatewayOutput } from "./gateway/output.ts";
import { createProbe } from "./gateway/probe.ts";
import { createRunningVersion } from "./gateway/running-version.ts";
import { Supervisor } from "./gateway/supervisor.ts";
import { createGatewayProxy } from "./http/proxy.ts";
import type { RoutesBackend } from "./http/routes.ts";
import type { GatewayDoor } from "./http/server.ts";
import { createLiveGateway } from "./live-gateway.ts";
import { createLiveSettings } from "./live-settings.ts";
import { errorText, type Log, type Redact, type Redaction } from "./log.ts";
import { findOpenClaw, type OpenClaw } from "./openclaw.ts";
import { SPEAKS_OF_PAIRING, startHints, type Hints } from "./pairing/hints.ts";
import { createPairing } from "./pairing/pairing.ts";
import { createDeviceSource, type Call } from "./pairing/sources.ts";
import { deriveGatewaySecrets, secretValuesIn } from "./secrets.ts";
import type { Place, Settings } from "./settings.ts";
import { storeSettings } from "./stored-settings.ts";
import { controllerVersion } from "./version.ts";

/** Caches that make the next start seconds faster; everything else in the temporary directory goes at boot. */
const KEPT_CACHES = new Set(["node-compile-cache", "jiti"]);
const CAPABILITIES: readonly Capability[] = ["logs", "pairing", "doctor", "config", "env"];

/** How far a start has come, as health tells it. */
type BootStage = "openclaw" | "config_file" | "gateway_start" | "doctor";

/** A machine whose environment is valid. */
export interface Machine {
  readonly backend: RoutesBackend;
  readonly door: GatewayDoor;
  health(): ControllerHealth;
  shutdown(): Promise<void>;
}

/** The OpenClaw that the gateway runs, and how its line of versions is treated. */
interface Installed {
  readonly openClaw: OpenClaw;
  readonly generation: Generation;
}

/**
 * Brings up a machine: OpenClaw found, configuration file written, gateway started. Returns at once; `health`
 * tells how far it is. A stage that fails leaves the machine `degraded` at that stage, with its routes
 * working and the next try planned; the cause is in the log only.
 */
export function bootMachine(
  place: Place,
  settings: Settings,
  env: Readonly<Record<string, string | undefined>>,
  log: Log,
  { redact, hide }: Redaction,
): Machine {
  const paths = gatewayPaths(place.home);
  const secrets = deriveGatewaySecrets(settings.gatewayToken);
  const proxy = createGatewayProxy({
    port: place.gatewayPort,
    identity: { ownerHeader: secrets.ownerHeader, allowedOrigins: settings.allowedOrigins },
    log,
  });

  const live = createLiveSettings({
    env,
    settings,
    store: (stored) => storeSettings(paths.settingsFile, stored),
    onChange: (next) => hide(secretValuesIn(next)),
    bring: (before, next) => bringToSettings(before, next, liveGateway),
  });
  let installed: Installed | null = null;
  let stage: BootStage = "openclaw";
  let report: ConfigReport = NOTHING_WRITTEN;
  let hints: Hints | null = null;
  const commandFor = (args: readonly string[]): Command | null =>
    installed === null
      ? null
      : {
          file: process.execPath,
          args: [installed.openClaw.entry, ...args],
          env: gatewayEnvironment(live.now().env, paths, secrets, installed.openClaw.version),
          cwd: paths.home,
        };

  const output = createGatewayOutput();
  const cli = createCli(commandFor);
  const doctor = createDoctor({ commandFor, redact });
  const runningVersion = createRunningVersion(cli);
  const link = createGatewayLink({
    port: place.gatewayPort,
    log,
    onEvent: (event) => pairing.onEvent(event),
    onConnect: (hello) => {
      runningVersion.onConnect(hello);
      pairing.onConnect();
    },
  });
  const call: Call = (method, params, timeoutMs) => link.call(method, params, timeoutMs);
  const devices = createDeviceSource(call);
  const pairing = createPairing({
    log,
    sources: () =>
      installed === null
        ? null
        : {
            devices,
            channels: installed.generation.channelSource({
              call,
              cli,
              stateDir: paths.stateDir,
              configured: () => channelsOf(paths, installed),
            }),
          },
  });

  /** Resolves to what has become of the configuration file. */
  const writeFiles = async (openClaw: OpenClaw): Promise<"written" | "unchanged" | "failed"> => {
    const { settings: given } = live.now();
    const outcome = await writeConfig(paths, openClaw, place, given, log);
    if (outcome === null) return "failed";
    report = reportOf(outcome, report, given);
    return outcome.kind === "begun_anew" ? "written" : outcome.kind;
  };

  const supervisor = new Supervisor({
    prepare: async (signal) => {
      stage = "openclaw";
      const found = await findInstalled(place.openclawDir, log);
      if (found === null) return null;
      stage = "config_file";
      const generation = generationOf(found.version);
      if ((await writeFiles(found)) === "failed" || generation === null) return null;
      if (!(await prepareDirectories(paths, found.version, live.now().variables, log))) return null;
      installed = { openClaw: found, generation };
      hints ??= await startHints(paths, generation, () => pairing.onHint(), log);
      if (signal.aborted) return null;
      link.open(generation.credentials(secrets));
      stage = "gateway_start";
      const command = commandFor(["gateway"]);
      return (
        command && {
          ...command,
          restartSignal: generation.restartSignal,
          isConfigRefused: (exit, lines) => generation.isConfigRefused(exit, lines),
        }
      );
    },
    probe: createProbe(link, place.hangTimeoutMs),
    repair: async (signal) => {
      stage = "doctor";
      log("warn", "the gateway refuses its configuration, so its doctor is asked once");
      // One that runs already may only look.
      await doctor.ended();
      if (signal.aborted) return;
      doctor.run({ fix: true });
      signal.addEventListener("abort", () => doctor.cancel(), { once: true });
      await doctor.ended();
      const { state, exitCode } = doctor.status();
      log("info", "the doctor has ended", { state, exitCode });
    },
    port: place.gatewayPort,
    pidFile: paths.pidFile,
    stateDir: paths.stateDir,
    log,
    timings: { stopMs: place.stopTimeoutMs },
    redact,
    onChange: (status) => {
      const isDown = status.pid === null && status.state !== "starting";
      if (isDown) link.close();
      if (status.pid === null) runningVersion.onEnd();
      log("info", "the gateway changed state", { ...status });
    },
    onLine: (stream, line) => {
      output.add(stream, line);
      if (SPEAKS_OF_PAIRING.test(line)) pairing.onHint();
    },
  });
  const liveGateway = createLiveGateway({
    supervisor,
    link,
    configFile: paths.configFile,
    openClaw: () => installed?.openClaw ?? null,
    write: async () => {
      if (installed === null) return "failed";
      try {
        if (readsSecretsFile(installed.openClaw.version))
          await writeSecretsFile(paths.secretsFile, live.now().variables);
      } catch (error) {
        // A process that begins anew has it made with its directory.
        log("error", "the file of secrets could not be written", { error: errorText(error) });
        return "failed";
      }
      return writeFiles(installed.openClaw);
    },
    environmentOfStart: () => commandFor([])?.env ?? {},
  });
  supervisor.start();

  return {
    backend: {
      gatewayToken: settings.gatewayToken,
      version: async () => ({
        controller: controllerVersion,
        capabilities: [...CAPABILITIES],
        openclaw: await runningVersion.get(),
        openclawInstalled: installed?.openClaw.version ?? null,
        imageDigest: place.imageDigest,
        node: process.versions.node,
      }),
      config: () => report,
      async updateSettings(update) {
        const result = await live.update(update);
        log(result.kind === "applied" ? "info" : "warn", "other settings came", { ...result });
        return result;
      },
      pairing,
      doctor,
      gateway: {
        status: () => tellable(supervisor.status(), redact),
        start: () => supervisor.start(),
        stop: () => supervisor.stop(),
        restart: () => supervisor.restart(),
        logs: (query) => output.read(query),
      },
    },
    door: {
      proxyToken: settings.proxyToken,
      proxy,
      isOpen: () => supervisor.state === "running",
    },
    health: () => health(supervisor, stage),
    async shutdown() {
      pairing.close();
      await Promise.all([supervisor.shutdown(), cli.close(), doctor.close()]);
      await removeSecretsDirectory(paths.secretsFile);
      link.close();
      hints?.close();
      proxy.close();
    },
  };
}

function tellable(status: GatewayStatus, redact: Redact): GatewayStatus {
  return { ...status, reason: status.reason === null ? null : redact(status.reason) };
}

async function channelsOf(
  paths: GatewayPaths,
  installed: Installed | null,
): Promise<readonly string[] | null> {
  if (installed === null) return null;
  return configuredChannels(paths.configFile, installed.openClaw.parseConfig);
}

async function findInstalled(directory: string, log: Log): Promise<OpenClaw | null> {
  try {
    return await findOpenClaw(directory);
  } catch (error) {
    log("error", "OpenClaw is not installed", { directory, error: errorText(error) });
    return null;
  }
}

/** Null for a version of OpenClaw that nobody has tried. */
async function writeConfig(
  paths: GatewayPaths,
  openClaw: OpenClaw,
  place: Place,
  settings: Settings,
  log: Log,
): Promise<WriteOutcome | null> {
  const write = configWriterFor(openClaw.version);
  if (write === null) {
    log("error", "no configuration is known for this OpenClaw", { version: openClaw.version });
    return null;
  }
  const outcome = await updateConfigFile(paths.configFile, openClaw.parseConfig, (user) =>
    write(user, {
      gatewayPort: place.gatewayPort,
      allowedOrigins: settings.allowedOrigins,
      model: settings.model,
      channels: settings.channels,
      workspace: paths.workspace,
      logFile: paths.logFile,
    }),
  );
  const isKept = outcome.kind === "written" || outcome.kind === "unchanged";
  log(isKept ? "info" : "error", "the gateway's configuration was brought up to date", { ...outcome });
  return outcome;
}

async function prepareDirectories(
  paths: GatewayPaths,
  version: string,
  variables: Readonly<Record<string, string>>,
  log: Log,
): Promise<boolean> {
  try {
    await makeSecretsDirectory(paths.secretsFile);
    if (readsSecretsFile(version)) await writeSecretsFile(paths.secretsFile, variables);
    await mkdir(paths.workspace, { recursive: true });
    await mkdir(paths.temporaryDir, { recursive: true, mode: 0o700 });
    for (const name of await readdir(paths.temporaryDir)) {
      if (!KEPT_CACHES.has(name)) await rm(join(paths.temporaryDir, name), { recursive: true, force: true });
    }
    return true;
  } catch (error) {
    log("error", "the gateway's directories could not be made", { error: errorText(error) });
    return false;
  }
}

function health({ state, failure }: Supervisor, stage: BootStage): ControllerHealth {
  switch (state) {
    case "running":
      return { state: "ready", stage: "ready" };
    case "starting":
      return { state: "starting", stage };
    case "stopping":
      return { state: "starting", stage: "gateway_stop" };
    case "stopped":
      return { state: "degraded", stage: "gateway_stopped" };
    case "crashed":
      return { state: "degraded", stage: crashStage(failure, stage) };
    case "shutting-down":
      return { state: "degraded", stage: "shutting_down" };
    default:
      return state satisfies never;
  }
}

function crashStage(failure: GatewayStatus["failure"], stage: BootStage): string {
  if (failure === "not_prepared") return stage;
  if (failure === "hung") return "gateway_hung";
  return failure === "config_rejected" ? "gateway_config" : "gateway_crashed";
}
