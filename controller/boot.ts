import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ControllerHealth, GatewayStatus } from "../src/gateway/wire.ts";
import { updateConfigFile } from "./config/file.ts";
import { configWriterFor } from "./config/versions.ts";
import { gatewayEnvironment, gatewayPaths, type GatewayPaths } from "./environment.ts";
import { Supervisor } from "./gateway/supervisor.ts";
import { createGatewayProxy } from "./http/proxy.ts";
import type { RoutesBackend } from "./http/routes.ts";
import type { GatewayDoor } from "./http/server.ts";
import { errorText, type Log } from "./log.ts";
import { findOpenClaw, type OpenClaw } from "./openclaw.ts";
import { deriveGatewaySecrets } from "./secrets.ts";
import type { Place, Settings } from "./settings.ts";
import { controllerVersion } from "./version.ts";

/** Caches that make the next start seconds faster; everything else in the temporary directory goes at boot. */
const KEPT_CACHES = new Set(["node-compile-cache", "jiti"]);

/** How far a start has come, as health tells it. */
type BootStage = "openclaw" | "config_file" | "gateway_start";

/** A machine whose environment is valid. */
export interface Machine {
  readonly backend: RoutesBackend;
  readonly door: GatewayDoor;
  health(): ControllerHealth;
  shutdown(): Promise<void>;
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
): Machine {
  const paths = gatewayPaths(place.home);
  const secrets = deriveGatewaySecrets(settings.gatewayToken);
  const proxy = createGatewayProxy({
    port: place.gatewayPort,
    identity: { ownerHeader: secrets.ownerHeader, allowedOrigins: settings.allowedOrigins },
    log,
  });

  let openClaw: OpenClaw | null = null;
  let stage: BootStage = "openclaw";
  const supervisor = new Supervisor({
    prepare: async () => {
      stage = "openclaw";
      openClaw = await findInstalled(place.openclawDir, log);
      if (openClaw === null) return null;
      stage = "config_file";
      if (!(await prepareFiles(paths, openClaw, place, settings, log))) return null;
      stage = "gateway_start";
      return {
        file: process.execPath,
        args: [openClaw.entry, "gateway"],
        env: gatewayEnvironment(env, paths, secrets),
        cwd: paths.home,
      };
    },
    port: place.gatewayPort,
    pidFile: paths.pidFile,
    log,
    timings: { stopMs: place.stopTimeoutMs },
    onChange: (status) => log("info", "the gateway changed state", { ...status }),
  });
  supervisor.start();

  return {
    backend: {
      gatewayToken: settings.gatewayToken,
      version: async () => ({
        controller: controllerVersion,
        capabilities: [],
        openclaw: null,
        openclawInstalled: openClaw?.version ?? null,
        imageDigest: null,
        node: process.versions.node,
      }),
      gateway: {
        status: () => supervisor.status(),
        start: () => supervisor.start(),
        stop: () => supervisor.stop(),
        restart: () => supervisor.restart(),
      },
    },
    door: {
      proxyToken: settings.proxyToken,
      proxy,
      isOpen: () => supervisor.status().state === "running",
    },
    health: () => health(supervisor.status(), stage),
    async shutdown() {
      await supervisor.shutdown();
      proxy.close();
    },
  };
}

async function findInstalled(directory: string, log: Log): Promise<OpenClaw | null> {
  try {
    return await findOpenClaw(directory);
  } catch (error) {
    log("error", "OpenClaw is not installed", { directory, error: errorText(error) });
    return null;
  }
}

async function prepareFiles(
  paths: GatewayPaths,
  openClaw: OpenClaw,
  place: Place,
  settings: Settings,
  log: Log,
): Promise<boolean> {
  const write = configWriterFor(openClaw.version);
  if (write === null) {
    log("error", "no configuration is known for this OpenClaw", { version: openClaw.version });
    return false;
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
  if (outcome.kind === "failed") return false;
  try {
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

function health(status: GatewayStatus, stage: BootStage): ControllerHealth {
  switch (status.state) {
    case "running":
      return { state: "ready", stage: "ready" };
    case "starting":
      return { state: "starting", stage };
    case "stopping":
      return { state: "starting", stage: "gateway_stop" };
    case "stopped":
      return { state: "degraded", stage: "gateway_stopped" };
    case "crashed":
      return { state: "degraded", stage: crashStage(status.failure, stage) };
    case "shutting-down":
      return { state: "degraded", stage: "shutting_down" };
    default:
      return status.state satisfies never;
  }
}

function crashStage(failure: GatewayStatus["failure"], stage: BootStage): string {
  if (failure === "not_prepared") return stage;
  return failure === "config_rejected" ? "gateway_config" : "gateway_crashed";
}
