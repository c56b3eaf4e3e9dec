/**
 * What runs in a machine by exec (`node -e`), where its controller is too old to be asked: OpenClaw's CLI as the gateway itself
 * would run it. An exec has neither the gateway's password nor its directories, so its environment is read from the gateway's own
 * process, which the controller notes on the volume (controller/gateway/orphan.ts); where none runs, OpenClaw's defaults hold. It
 * runs under the gateway's own Node, for an exec may find another.
 *
 * A gateway that trusts a proxy takes OpenClaw's CLI for a stranger's device when it asks about devices (measured, 2026.9.6), so
 * there the gateway itself is asked over its socket, as its controller would (openclaw-gateway.md §3.1, §3.3); the answer stands
 * where the CLI's would.
 *
 * Its one argument is JSON and never code: `{commands, timeoutMs, outputCharsMax}`, where each command is the CLI's arguments, or
 * `"channels"` for `pairing list` of every channel of the configuration. It prints `{node, runs: [{args, exitCode, timedOut,
 * stdout, stderr}]}`, without the values of the gateway's secrets, or `{problem}`: `no_openclaw`, `config_unreadable`.
 *
 * Plain JavaScript of Node 22 and later, since it runs under the machine's Node.
 */
export const CLI_SCRIPT = String.raw`
const { readFileSync, readlinkSync, realpathSync } = require("node:fs");
const { createRequire } = require("node:module");
const { join } = require("node:path");
const { spawnSync } = require("node:child_process");

const { commands, timeoutMs, outputCharsMax } = JSON.parse(process.argv[1]);
const endsAt = Date.now() + timeoutMs;
const SECRET = /TOKEN|SECRET|PASSWORD|KEY|OWNER_HEADER/i;

main();

async function main() {
  const { env, node } = gatewayProcess();
  if (node !== process.execPath) return sayAs(node);
  let entry;
  try {
    entry = realpathSync(join(env.OPENCLAW_DIR || "/opt/openclaw", "node_modules/openclaw/openclaw.mjs"));
  } catch {
    return say({ problem: "no_openclaw" });
  }
  const wanted = commands === "channels" ? channelCommands(env, entry) : commands;
  if (wanted === null) return say({ problem: "config_unreadable" });
  const secrets = Object.entries(env).flatMap(([name, value]) => (SECRET.test(name) && value.length > 7 ? [value] : []));
  const runs = [];
  for (const args of wanted) runs.push((await overSocket(args, env, entry)) ?? run(entry, args, env, secrets));
  say({ node: process.version, runs });
}

/** The same once more, under another Node. */
function sayAs(node) {
  const args = [...process.execArgv, "--", process.argv[1]];
  const { stdout } = spawnSync(node, args, { encoding: "utf8", timeout: timeoutMs + 1_000, maxBuffer: 64 * outputCharsMax });
  process.stdout.write(stdout || "");
}

async function overSocket(args, env, entry) {
  const [group, command, requestId] = args;
  const password = env.OPENCLAW_GATEWAY_PASSWORD;
  const ownerHeader = env.OPENCLAW_KILOCLAW_OWNER_HEADER;
  if (group !== "devices" || (command !== "list" && command !== "approve") || typeof WebSocket === "undefined") return null;
  const ways = [
    ...(password ? [{ auth: { password }, headers: {} }] : []),
    ...(ownerHeader ? [{ auth: {}, headers: { [ownerHeader]: "Owner", "x-forwarded-for": "192.0.2.1" } }] : []),
  ];
  const call = command === "list" ? ["device.pair.list", {}] : ["device.pair.approve", { requestId }];
  for (const way of ways) {
    const answer = await ask(portOf(env, entry), way, call);
    if (answer === null) continue;
    const { ok, payload, error } = answer;
    const stderr = ok ? "" : String((error && error.message) || "refused").slice(0, outputCharsMax);
    return { args, exitCode: ok ? 0 : 1, timedOut: false, stdout: ok ? JSON.stringify(payload).slice(0, outputCharsMax) : "", stderr };
  }
  return null;
}

/** The answer to one call, or null where nobody was let in. */
function ask(port, { auth, headers }, [method, params]) {
  return new Promise((resolve) => {
    const socket = new WebSocket("ws://127.0.0.1:" + port + "/", { headers });
    const end = (answer) => {
      clearTimeout(timer);
      resolve(answer);
      socket.close();
    };
    const timer = setTimeout(() => end(null), Math.max(0, Math.min(endsAt - Date.now(), 10_000)));
    const send = (id, method, params) => socket.send(JSON.stringify({ type: "req", id, method, params }));
    const scopes = ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"];
    const client = { id: "gateway-client", version: "1.0.0", platform: process.platform, mode: "backend" };
    socket.onerror = () => end(null);
    socket.onclose = () => end(null);
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === "event" && frame.event === "connect.challenge") {
        const common = { role: "operator", scopes, caps: [], commands: [], permissions: {}, locale: "en-US", userAgent: "exec" };
        send("connect", "connect", { minProtocol: 3, maxProtocol: 4, client, auth, ...common });
      } else if (frame.type === "res" && frame.id === "connect") {
        if (frame.ok) send("call", method, params);
        else end(null);
      } else if (frame.type === "res" && frame.id === "call") {
        end(frame);
      }
    };
  });
}

function portOf(env, entry) {
  const config = configOf(env, entry);
  return (config && config.gateway && config.gateway.port) || 18789;
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

function gatewayProcess() {
  for (const home of [process.env.HOME, "/root"]) {
    try {
      const { pid, identity } = JSON.parse(readFileSync(join(home, ".kiloclaw/gateway.json"), "utf8"));
      if (!Number.isInteger(pid) || identityOf(pid) !== identity) continue;
      const variables = readFileSync("/proc/" + pid + "/environ", "utf8").split("\0").filter((text) => text.includes("="));
      const env = Object.fromEntries(variables.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]));
      const openclawDir = process.env.OPENCLAW_DIR && { OPENCLAW_DIR: process.env.OPENCLAW_DIR };
      return { env: { ...openclawDir, ...env }, node: nodeOf(pid) };
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
  const stat = readFileSync("/proc/" + pid + "/stat", "utf8");
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return boot + " " + stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

function channelCommands(env, entry) {
  const config = configOf(env, entry);
  if (config === undefined) return null;
  return Object.entries((config && config.channels) || {})
    .filter(([name, channel]) => channel !== null && typeof channel === "object" && channel.enabled !== false && isChannel(name))
    .slice(0, 16)
    .map(([name]) => ["pairing", "list", name, "--json"]);
}

/** Null where there is no configuration, undefined where it can't be read. */
function configOf(env, entry) {
  const file = env.OPENCLAW_CONFIG_PATH || join(env.OPENCLAW_STATE_DIR || join(env.HOME, ".openclaw"), "openclaw.json");
  try {
    const text = readFileSync(file, "utf8");
    try {
      return JSON.parse(text);
    } catch {
      return createRequire(entry)("json5").parse(text);
    }
  } catch (error) {
    return error.code === "ENOENT" ? null : undefined;
  }
}

function isChannel(name) {
  return /^[a-z][a-z0-9-]{0,39}$/.test(name) && name !== "defaults";
}

function say(answer) {
  process.stdout.write(JSON.stringify(answer));
}
`;
