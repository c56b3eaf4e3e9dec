/**
 * What runs in a machine by exec (`node -e`), where its controller is too old to be asked: OpenClaw's CLI as the gateway itself
 * would run it. An exec has neither the gateway's password nor its directories, so its environment is read from the gateway's own
 * process, which the controller notes on the volume (controller/gateway/orphan.ts); where none runs, OpenClaw's defaults hold.
 *
 * Its one argument is JSON and never code: `{commands, timeoutMs, outputCharsMax}`, where each command is the CLI's arguments, or
 * `"channels"` for `pairing list` of every channel of the configuration. It prints `{node, runs: [{args, exitCode, timedOut,
 * stdout, stderr}]}`, without the values of the gateway's secrets, or `{problem}`: `no_openclaw`, `config_unreadable`.
 *
 * Plain JavaScript of Node 22 and later, since it runs under the machine's Node.
 */
export const CLI_SCRIPT = String.raw`
const { readFileSync, realpathSync } = require("node:fs");
const { createRequire } = require("node:module");
const { join } = require("node:path");
const { spawnSync } = require("node:child_process");

const { commands, timeoutMs, outputCharsMax } = JSON.parse(process.argv[1]);
const endsAt = Date.now() + timeoutMs;
const SECRET = /TOKEN|SECRET|PASSWORD|KEY|OWNER_HEADER/i;

main();

function main() {
  const env = gatewayEnvironment();
  let entry;
  try {
    entry = realpathSync(join(env.OPENCLAW_DIR || "/opt/openclaw", "node_modules/openclaw/openclaw.mjs"));
  } catch {
    return say({ problem: "no_openclaw" });
  }
  const wanted = commands === "channels" ? channelCommands(env, entry) : commands;
  if (wanted === null) return say({ problem: "config_unreadable" });
  const secrets = Object.entries(env).flatMap(([name, value]) => (SECRET.test(name) && value.length > 7 ? [value] : []));
  say({ node: process.version, runs: wanted.map((args) => run(entry, args, env, secrets)) });
}

function run(entry, args, env, secrets) {
  const left = endsAt - Date.now();
  if (left < 500) return { args, exitCode: null, timedOut: true, stdout: "", stderr: "" };
  const { status, error, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], {
    env,
    cwd: env.HOME,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    timeout: left,
    killSignal: "SIGKILL",
    maxBuffer: 4 * outputCharsMax,
  });
  const end = (text) => secrets.reduce((kept, secret) => kept.replaceAll(secret, "[redacted]"), text || "").slice(-outputCharsMax);
  const timedOut = error !== undefined && error.code === "ETIMEDOUT";
  return { args, exitCode: error === undefined ? status : null, timedOut, stdout: end(stdout), stderr: end(stderr) };
}

function gatewayEnvironment() {
  for (const home of [process.env.HOME, "/root"]) {
    try {
      const { pid, identity } = JSON.parse(readFileSync(join(home, ".kiloclaw/gateway.json"), "utf8"));
      if (!Number.isInteger(pid) || identityOf(pid) !== identity) continue;
      const variables = readFileSync("/proc/" + pid + "/environ", "utf8").split("\0").filter((text) => text.includes("="));
      const env = Object.fromEntries(variables.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]));
      return { ...(process.env.OPENCLAW_DIR && { OPENCLAW_DIR: process.env.OPENCLAW_DIR }), ...env };
    } catch {}
  }
  return { ...process.env, HOME: process.env.HOME || "/root", OPENCLAW_NO_RESPAWN: "1" };
}

function identityOf(pid) {
  const stat = readFileSync("/proc/" + pid + "/stat", "utf8");
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return boot + " " + stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

function channelCommands(env, entry) {
  const file = env.OPENCLAW_CONFIG_PATH || join(env.OPENCLAW_STATE_DIR || join(env.HOME, ".openclaw"), "openclaw.json");
  let config;
  try {
    const text = readFileSync(file, "utf8");
    try {
      config = JSON.parse(text);
    } catch {
      config = createRequire(entry)("json5").parse(text);
    }
  } catch (error) {
    return error.code === "ENOENT" ? [] : null;
  }
  return Object.entries((config && config.channels) || {})
    .filter(([name, channel]) => channel !== null && typeof channel === "object" && channel.enabled !== false && isChannel(name))
    .slice(0, 16)
    .map(([name]) => ["pairing", "list", name, "--json"]);
}

function isChannel(name) {
  return /^[a-z][a-z0-9-]{0,39}$/.test(name) && name !== "defaults";
}

function say(answer) {
  process.stdout.write(JSON.stringify(answer));
}
`;
