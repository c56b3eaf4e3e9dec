/**
 * What scripts have in common that run in a machine by exec (`node -e`), where its controller is too old to be asked. An exec has
 * neither the gateway's password nor its directories, so its environment is read from the gateway's own process, which the
 * controller notes on the volume (controller/gateway/orphan.ts); where none runs, OpenClaw's defaults hold. An exec may find another
 * Node as well, so a script goes on under the gateway's.
 *
 * Plain JavaScript of Node 22 and later. Its one argument is JSON, and never code.
 */
export const ENVIRONMENT_SCRIPT = String.raw`
const { spawnSync } = require("node:child_process");
const { readFileSync, readlinkSync, realpathSync } = require("node:fs");
const { createRequire } = require("node:module");
const { join } = require("node:path");

const request = JSON.parse(process.argv[1]);
const { env, node } = gatewayProcess();
const SECRET = /TOKEN|SECRET|PASSWORD|KEY|OWNER_HEADER/i;
const secrets = Object.entries(env).flatMap(([name, value]) => (SECRET.test(name) && value.length > 7 ? [value] : []));

function underTheGatewaysNode(work) {
  if (node === process.execPath || request.isUnder) return work();
  const args = [...process.execArgv, "--", JSON.stringify({ ...request, isUnder: true })];
  const { stdout } = spawnSync(node, args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  process.stdout.write(stdout || "");
}

function gatewayProcess() {
  for (const home of [process.env.HOME, "/root"]) {
    try {
      const { pid, identity } = JSON.parse(readFileSync(join(home, ".kiloclaw/gateway.json"), "utf8"));
      if (identityOf(pid) !== identity) continue;
      const variables = readFileSync("/proc/" + pid + "/environ", "utf8").split("\0").filter((text) => text.includes("="));
      const found = Object.fromEntries(variables.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]));
      const openclawDir = process.env.OPENCLAW_DIR && { OPENCLAW_DIR: process.env.OPENCLAW_DIR };
      return { env: { ...openclawDir, ...found }, node: nodeOf(pid) };
    } catch {}
  }
  const env = { ...process.env, HOME: process.env.HOME || "/root", OPENCLAW_NO_RESPAWN: "1" };
  return { env, node: process.execPath };
}

/** The program of the gateway's process where that is a Node; ours where it can't be told. */
function nodeOf(pid) {
  try {
    const program = readlinkSync("/proc/" + pid + "/exe");
    return /[/]node$/.test(program) ? program : process.execPath;
  } catch {
    return process.execPath;
  }
}

function identityOf(pid) {
  if (!Number.isInteger(pid) || pid < 2) return null;
  const stat = readFileSync("/proc/" + pid + "/stat", "utf8");
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return boot + " " + stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

function entryOfOpenClaw() {
  try {
    return realpathSync(join(env.OPENCLAW_DIR || "/opt/openclaw", "node_modules/openclaw/openclaw.mjs"));
  } catch {
    return null;
  }
}

/** Null where there is no configuration, undefined where it can't be read. */
function readConfig() {
  const file = env.OPENCLAW_CONFIG_PATH || join(env.OPENCLAW_STATE_DIR || join(env.HOME, ".openclaw"), "openclaw.json");
  try {
    const text = readFileSync(file, "utf8");
    try {
      return JSON.parse(text);
    } catch {
      return createRequire(entryOfOpenClaw())("json5").parse(text);
    }
  } catch (error) {
    return error.code === "ENOENT" ? null : undefined;
  }
}

function endOf(text) {
  return secrets.reduce((kept, secret) => kept.replaceAll(secret, "[redacted]"), text || "").slice(-request.outputCharsMax);
}

function say(answer) {
  process.stdout.write(JSON.stringify(answer));
}
`;
