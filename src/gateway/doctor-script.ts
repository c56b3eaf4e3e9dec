import { ENVIRONMENT_SCRIPT } from "./script-environment.ts";

/**
 * OpenClaw's doctor takes longer than an exec may, and one that repairs is not to be killed in the middle of it. So it is left running
 * in a process of its own, which notes on the volume how it ended. It is told `{verb, fix, timeoutMs, outputCharsMax}`, and prints what
 * the wire's doctor has, or `{problem: "no_openclaw"}`. Verbs: `read`; `start`, which joins one that runs; `cancel`; and `run`, which is
 * that process.
 */
export const DOCTOR_SCRIPT = String.raw`${ENVIRONMENT_SCRIPT}
const { spawn } = require("node:child_process");
const { lstatSync, mkdirSync, renameSync, writeFileSync } = require("node:fs");
const { dirname } = require("node:path");

const FILE = join(env.HOME, ".kiloclaw", "doctor-by-exec.json");
const NOTE_BYTES_MAX = 1_000_000;
const NEVER = { state: "never_run", fix: false, startedAt: null, endedAt: null, exitCode: null, output: "" };
const entry = entryOfOpenClaw();

underTheGatewaysNode({ read: () => say(read()), start, cancel, run }[request.verb]);

function read() {
  try {
    const found = lstatSync(FILE);
    if (!found.isFile() || found.size > NOTE_BYTES_MAX) return NEVER;
    const { process: of, ...doctor } = JSON.parse(readFileSync(FILE, "utf8"));
    // What runs no longer, and did not say how it ended, was ended with the machine.
    return doctor.state === "running" && !isRunning(of) ? { ...doctor, state: "failed" } : doctor;
  } catch {
    return NEVER;
  }
}

async function start() {
  if (entry === null) return say({ problem: "no_openclaw" });
  if (read().state === "running") return say(read());
  const startedAt = new Date().toISOString();
  const argument = JSON.stringify({ ...request, verb: "run", startedAt });
  spawn(process.execPath, [...process.execArgv, "--", argument], { detached: true, stdio: "ignore" }).unref();
  await until(() => read().startedAt === startedAt);
  say(read());
}

async function cancel() {
  const { pid } = read().state === "running" ? JSON.parse(readFileSync(FILE, "utf8")).process : {};
  if (pid !== undefined) process.kill(pid, "SIGTERM");
  await until(() => read().state !== "running");
  say(read());
}

function run() {
  const { fix, startedAt, timeoutMs } = request;
  let ended = null;
  let output = "";
  const itself = { pid: process.pid, identity: identityOf(process.pid) };
  note({ ...NEVER, state: "running", fix, startedAt, process: itself });
  const child = spawn(process.execPath, [entry, "doctor", "--non-interactive", ...(fix ? ["--fix", "--yes"] : [])], {
    env,
    cwd: env.HOME,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const end = (state) => () => {
    ended = ended || state;
    child.kill("SIGKILL");
  };
  process.on("SIGTERM", end("cancelled"));
  const timer = setTimeout(end("timed_out"), timeoutMs);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => (output = (output + text).slice(-2 * request.outputCharsMax)));
  }
  child.on("error", () => (ended = "failed"));
  child.on("close", (code) => {
    clearTimeout(timer);
    const state = ended || (code === 0 ? "done" : "failed");
    note({ state, fix, startedAt, endedAt: new Date().toISOString(), exitCode: ended === null ? code : null, output: endOf(output) });
  });
}

async function until(isSo) {
  for (let tries = 0; tries < 100 && !isSo(); tries++) await new Promise((done) => setTimeout(done, 50));
}

function isRunning(of) {
  try {
    return identityOf(of.pid) === of.identity;
  } catch {
    return false;
  }
}

function note(doctor) {
  mkdirSync(dirname(FILE), { recursive: true });
  const temporary = FILE + "." + process.pid;
  writeFileSync(temporary, JSON.stringify(doctor), { mode: 0o600 });
  renameSync(temporary, FILE);
}
`;
