import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { isInheritedName, SETTING_NAMES, variableNameSchema } from "../src/gateway/wire.ts";
import { ENV_OWNER_HEADER, ENV_PASSWORD, ENV_SECRETS_FILE } from "./config/managed.ts";
import { SECRET_VARIABLES } from "./config/references.ts";
import { gatewayVariablesFor, readsSecretsFile } from "./config/versions.ts";
import type { GatewaySecrets } from "./secrets.ts";

/** Directories and files of the gateway, on the volume but for one. */
export interface GatewayPaths {
  readonly home: string;
  readonly stateDir: string;
  readonly configFile: string;
  readonly workspace: string;
  readonly temporaryDir: string;
  readonly logFile: string;
  /** Notes the gateway's process. */
  readonly pidFile: string;
  /** Settings that came after the machine's environment. */
  readonly settingsFile: string;
  /** Of a directory of its own on the machine's disk, which is found again after a controller that was killed. */
  readonly secretsFile: string;
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
    settingsFile: join(home, ".kiloclaw", "settings.json"),
    secretsFile: join(tmpdir(), `kiloclaw-${digestOf(home)}`, "secrets.json"),
  };
}

/** Local machines share one disk, each with a volume of its own. */
function digestOf(home: string): string {
  return createHash("sha256").update(home).digest("hex").slice(0, 16);
}

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

/** What the image, the system and a local Fly set of themselves, beside all that begins with our name. */
const EXPECTED = new Set([
  "HOME",
  "LOGNAME",
  "NODE_ENV",
  "NODE_VERSION",
  "OLDPWD",
  "OPENCLAW_ALLOWED_ORIGINS",
  "OPENCLAW_DIR",
  "PATH",
  "PORT",
  "PRIMARY_REGION",
  "PWD",
  "SHELL",
  "SHLVL",
  "TMPDIR",
  "USER",
]);

/** Names in the machine's environment that a user may not set, and that nobody else sets either: the gateway gets none of them. */
export function ignoredNames(machine: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.keys(machine).filter(
    (name) => !isPassedOn(name) && !EXPECTED.has(name) && !name.startsWith("KILOCLAW_"),
  );
}

function isPassedOn(name: string): boolean {
  return PLATFORM.has(name) || variableNameSchema.safeParse(name).success;
}

/** Whether a variable of the machine is one of the tenant's settings, and not the machine's own, the platform's or the image's. */
export function isSetting(name: string, machine: Readonly<Record<string, string | undefined>>): boolean {
  if (!variableNameSchema.safeParse(name).success) return false;
  return !isInheritedName(name) || inheritedSettings(machine).includes(name);
}

/** The tenant's settings that hide what the image sets of itself. */
export function inheritedSettings(machine: Readonly<Record<string, string | undefined>>): readonly string[] {
  return (machine[SETTING_NAMES] ?? "").split(",").filter(isInheritedName);
}

/** Which model is the default stands in the configuration, where it can change while the gateway runs. */
export const CONFIGURED_ONLY: readonly string[] = ["KILOCODE_DEFAULT_MODEL"];

/**
 * The gateway's whole environment: the machine's, with the user's own variables, but without our tokens and
 * without names that a user may not set; and with what OpenClaw needs to stay in its place. Sources: OpenClaw's
 * docs/help/environment.md, docs/gateway/telemetry.md.
 *
 * That our tokens are left out keeps them from what a gateway shows of its own environment: a tool's output, a
 * transcript, a crash report. It is no wall: the gateway runs as the controller's user, so a program in it can
 * read them from the controller's memory, and where the environment was not sealed from its /proc/<pid>/environ.
 * Hence these tokens are a machine's own, and open no other. Of a sealed environment neither the key nor a text
 * that it opens is left in any process (handover.ts).
 */
export function gatewayEnvironment(
  machine: Readonly<Record<string, string | undefined>>,
  paths: GatewayPaths,
  secrets: GatewaySecrets,
  openClawVersion: string,
): Record<string, string> {
  const readsFile = readsSecretsFile(openClawVersion);
  const withheld = new Set(readsFile ? [...CONFIGURED_ONLY, ...SECRET_VARIABLES] : CONFIGURED_ONLY);
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(machine)) {
    if (value !== undefined && isPassedOn(name) && !withheld.has(name)) env[name] = value;
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
    ...(readsFile ? { [ENV_SECRETS_FILE]: paths.secretsFile } : {}),
    [ENV_PASSWORD]: secrets.password,
    [ENV_OWNER_HEADER]: secrets.ownerHeader,
  };
}
