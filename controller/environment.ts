import { delimiter, dirname, join } from "node:path";
import { ENV_OWNER_HEADER, ENV_PASSWORD } from "./config/managed.ts";
import { gatewayVariablesFor } from "./config/versions.ts";
import type { GatewaySecrets } from "./secrets.ts";

/** Directories and files of the gateway, all on the volume. */
export interface GatewayPaths {
  readonly home: string;
  readonly stateDir: string;
  readonly configFile: string;
  readonly workspace: string;
  readonly temporaryDir: string;
  readonly logFile: string;
  /** Notes the gateway's process. */
  readonly pidFile: string;
}

export function gatewayPaths(home: string): GatewayPaths {
  const stateDir = join(home, ".openclaw");
  return {
    home,
    stateDir,
    configFile: join(stateDir, "openclaw.json"),
    workspace: join(stateDir, "workspace"),
    temporaryDir: join(home, ".kiloclaw", "tmp"),
    logFile: join(stateDir, "logs", "openclaw.log"),
    pidFile: join(home, ".kiloclaw", "gateway.json"),
  };
}

/**
 * Names that decide how a process runs or what the controller is; a variable of such a name is dropped. The same
 * as the Worker refuses (src/http/requests.ts), and what a shell sets of itself. npm reads its names in any case.
 */
const RESERVED =
  /^(?:KILOCLAW_.*|OPENCLAW_.*|FLY_.*|LD_.*|DYLD_.*|NODE_.*|NPM_.*|BASH_.*|PATH|HOME|PORT|SHELL|USER|PWD|OLDPWD|TMPDIR|TMP|TEMP|IFS|ENV|PRIMARY_REGION)$/i;

/**
 * What Fly itself tells a machine (fly.io/docs/machines/runtime-environment), and by what a local Fly knows everything that
 * runs in its machines. The Worker lets no user set them.
 */
const PLATFORM = new Set([
  "FLY_ALLOC_ID",
  "FLY_APP_NAME",
  "FLY_IMAGE_REF",
  "FLY_LOCAL_DATA",
  "FLY_MACHINE_ID",
  "FLY_MACHINE_VERSION",
  "FLY_PRIVATE_IP",
  "FLY_PROCESS_GROUP",
  "FLY_PUBLIC_IP",
  "FLY_REGION",
  "FLY_VM_MEMORY_MB",
]);

/**
 * The gateway's whole environment: the machine's, with the user's own variables, but without our tokens and
 * without reserved names; and with what OpenClaw needs to stay in its place. Sources: OpenClaw's
 * docs/help/environment.md, docs/gateway/telemetry.md.
 *
 * That our tokens are left out keeps them from what a gateway shows of its own environment: a tool's output, a
 * transcript, a crash report. It is no wall: the gateway runs as the controller's user, so a program in it can
 * read them from the controller's /proc/<pid>/environ, which shows what a process was started with, whatever
 * it has forgotten since. Hence these tokens are a machine's own, and open no other.
 */
export function gatewayEnvironment(
  machine: Readonly<Record<string, string | undefined>>,
  paths: GatewayPaths,
  secrets: GatewaySecrets,
  openClawVersion: string,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(machine)) {
    if (value !== undefined && (PLATFORM.has(name) || !RESERVED.test(name))) env[name] = value;
  }
  return {
    ...env,
    // The Node that runs us is the one whose `npm` OpenClaw finds when it installs a plugin.
    PATH: [dirname(process.execPath), machine["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"].join(delimiter),
    NODE_ENV: "production",
    HOME: paths.home,
    TMPDIR: paths.temporaryDir,
    OPENCLAW_STATE_DIR: paths.stateDir,
    OPENCLAW_CONFIG_PATH: paths.configFile,
    // One process that restarts in itself; a launcher would leave a gateway behind that nobody supervises.
    OPENCLAW_NO_RESPAWN: "1",
    OPENCLAW_DISABLE_BONJOUR: "1",
    // The image brings the version; a machine never updates itself.
    OPENCLAW_NO_AUTO_UPDATE: "1",
    DO_NOT_TRACK: "1",
    ...gatewayVariablesFor(openClawVersion),
    [ENV_PASSWORD]: secrets.password,
    [ENV_OWNER_HEADER]: secrets.ownerHeader,
  };
}
