import { appendFileSync, existsSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * What stands for OpenClaw's command line: outputs and exit codes of openclaw-gateway.md §4.1 and §4.2, on requests that are files in
 * `OPENCLAW_STATE_DIR`: `devices/<id>.json` and `pairing/<channel>/<code>.json`, where each is what the lists show of it. It does
 * nothing for whoever lacks the gateway's password. A file `hangs` or `fails` in a channel's directory, `doctor-hangs` or `doctor-fails`,
 * makes it do just that; a file
 * `hangs-up` kills it when it has approved a device. How it was called is appended to `cli.jsonl`.
 */
const args = process.argv.slice(2);
const state = process.env["OPENCLAW_STATE_DIR"] ?? fail("no state directory");
const password = process.env["OPENCLAW_GATEWAY_PASSWORD"] ?? fail("unauthorized: password missing");
appendFileSync(join(state, "cli.jsonl"), `${JSON.stringify(args)}\n`);

const [topic = "", verb = ""] = args;
switch (topic) {
  case "--version":
    console.log("OpenClaw 2026.2.26 (bc50708)");
    break;
  case "devices":
    if (verb === "list") {
      console.log("warning: something that is no JSON");
      print({
        pending: filesIn("devices"),
        paired: [{ deviceId: "ab", publicKey: "paired-key", tokens: [] }],
      });
    } else if (take("devices", `${args[2]}.json`)) {
      if (existsSync(join(state, "hangs-up"))) process.kill(process.pid, "SIGKILL");
      print({ requestId: args[2], device: {} });
    } else fail("Gateway requires device pairing. Missing requestId: of-the-command-line");
    break;
  case "pairing": {
    const [channel = "", code = ""] = args.slice(2);
    if (existsSync(join(state, "pairing", channel, "hangs"))) await sleep(3_600_000);
    if (existsSync(join(state, "pairing", channel, "fails"))) fail(`Error: cannot reach ${channel}`);
    if (verb === "list") print({ channel, requests: filesIn(join("pairing", channel)) });
    else if (take(join("pairing", channel), `${code}.json`)) console.log(`Approved ${channel} sender 1.`);
    else fail(`No pending pairing request found for code: ${code}`);
    break;
  }
  case "doctor":
    console.log(`Doctor complete, and the password is ${password}.`);
    if (existsSync(join(state, "doctor-hangs"))) await sleep(3_600_000);
    if (existsSync(join(state, "doctor-fails"))) fail("Something is wrong.");
    break;
  default:
    fail(`error: unknown command '${topic}'`);
}

function print(value: unknown): void {
  console.log(JSON.stringify(value, null, 2));
}

function filesIn(directory: string): unknown[] {
  const path = join(state, directory);
  if (!existsSync(path)) return [];
  const names = readdirSync(path).filter((name) => name.endsWith(".json"));
  return names.map((name): unknown => JSON.parse(readFileSync(join(path, name), "utf8")));
}

/** Whether it was there; of two who take at a time it is one. */
function take(directory: string, name: string): boolean {
  try {
    unlinkSync(join(state, directory, name));
    return true;
  } catch {
    return false;
  }
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
