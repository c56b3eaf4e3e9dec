import { ENVIRONMENT_SCRIPT } from "./script-environment.ts";
import { SOCKET_SCRIPT } from "./socket-script.ts";

/**
 * Runs commands of OpenClaw's CLI as the gateway itself would. It is told `{commands, timeoutMs, outputCharsMax}`, where each command
 * is the CLI's arguments, or `commands` is `"channels"` for `pairing list` of every channel of the configuration. It prints
 * `{node, runs: [{args, exitCode, timedOut, stdout, stderr}]}`, without the values of the gateway's secrets, or `{problem}`:
 * `no_openclaw`, `config_unreadable`. Where the gateway itself can be asked, its answer stands where the CLI's would.
 */
export const CLI_SCRIPT = String.raw`${ENVIRONMENT_SCRIPT}${SOCKET_SCRIPT}
const endsAt = Date.now() + request.timeoutMs;
underTheGatewaysNode(main);

async function main() {
  const entry = entryOfOpenClaw();
  if (entry === null) return say({ problem: "no_openclaw" });
  const wanted = request.commands === "channels" ? channelCommands() : request.commands;
  if (wanted === null) return say({ problem: "config_unreadable" });
  const runs = [];
  for (const args of wanted) {
    // One that hangs leaves something of the time to those after it.
    const share = runs.length === wanted.length - 1 ? 1 : 0.6;
    runs.push((await overSocket(args)) ?? run(entry, args, share));
  }
  say({ node: process.version, runs });
}

function run(entry, args, share) {
  const left = Math.floor(share * (endsAt - Date.now()));
  if (left < 100) return { args, exitCode: null, timedOut: true, stdout: "", stderr: "" };
  const { status, error, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], {
    env,
    cwd: env.HOME,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    timeout: left,
    killSignal: "SIGKILL",
    maxBuffer: 4 * request.outputCharsMax,
  });
  const timedOut = error !== undefined && error.code === "ETIMEDOUT";
  return { args, exitCode: error === undefined ? status : null, timedOut, stdout: endOf(stdout), stderr: endOf(stderr) };
}

function channelCommands() {
  const config = readConfig();
  if (config === undefined) return null;
  return Object.entries((config && config.channels) || {})
    .filter(([name, channel]) => channel !== null && typeof channel === "object" && channel.enabled !== false && isChannel(name))
    .slice(0, 16)
    .map(([name]) => ["pairing", "list", name, "--json"]);
}

function isChannel(name) {
  return /^[a-z][a-z0-9-]{0,39}$/.test(name) && name !== "defaults";
}
`;
