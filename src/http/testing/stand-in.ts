import { env } from "cloudflare:workers";
import { inject } from "vitest";
import { callsIn } from "../../instance/testing/gate.ts";
import { platform, platformGet } from "./client.ts";

/**
 * The stand-in machine of a user, and the files by which it is told how to behave (test/support/stand-in-controller.ts,
 * stand-in-openclaw.ts). They are written by exec past the Worker's own Fly, so that they are none of the calls that a test looks at.
 */
export type StandIn = {
  machineId: string;
  /** Names are below `stand-in` on the volume; text is written as it is, anything else as JSON. */
  write(name: string, content: unknown): Promise<void>;
  remove(name: string): Promise<void>;
  /** What its controller was asked, and what its command line was called with. */
  asked(): Promise<{ place: string; search: string; body: string; headers: Record<string, string> }[]>;
  cliCalls(): Promise<string[][]>;
  /** What its gateway's socket was called for. */
  gatewayCalls(): Promise<Record<string, string>[]>;
  /** Execs that the Worker made in it. */
  execs(): Promise<number>;
};

/** Provisions and starts an instance whose machine has the stand-in of a controller. */
export async function startStandIn(userId: string, behaviour = "controller"): Promise<StandIn> {
  await platform("provision", { userId, envVars: { STAND_IN: behaviour } });
  await platform("start", { userId });
  const status = await platformGet(`status?userId=${encodeURIComponent(userId)}`);
  const { flyMachineId: machineId } = await status.json<{ flyMachineId: string }>();
  const linesOf = async <T>(name: string): Promise<T[]> => {
    const text = await inMachine(machineId, READ, name);
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line): T => JSON.parse(line));
  };
  return {
    machineId,
    async write(name, content) {
      const text = typeof content === "string" ? content : JSON.stringify(content);
      await inMachine(machineId, WRITE, name, text);
    },
    async remove(name) {
      await inMachine(machineId, REMOVE, name);
    },
    asked: () => linesOf("asked.jsonl"),
    cliCalls: () => linesOf("cli.jsonl"),
    gatewayCalls: () => linesOf("calls.jsonl"),
    async execs() {
      const calls = await callsIn(env.FLY_APP_NAME ?? "");
      return calls.filter(({ path }) => path === `/machines/${machineId}/exec`).length;
    },
  };
}

const WRITE = `
  const [name, content] = process.argv.slice(1);
  const file = require("node:path").join("stand-in", name);
  require("node:fs").mkdirSync(require("node:path").dirname(file), { recursive: true });
  require("node:fs").writeFileSync(file, content);`;
const REMOVE = `require("node:fs").rmSync("stand-in/" + process.argv[1], { recursive: true, force: true })`;
const READ = `try { process.stdout.write(require("node:fs").readFileSync("stand-in/" + process.argv[1])) } catch {}`;

async function inMachine(machineId: string, script: string, ...args: string[]): Promise<string> {
  const url = new URL(`/v1/apps/${env.FLY_APP_NAME}/machines/${machineId}/exec`, inject("flyApiUrl"));
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${env.FLY_API_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ command: ["node", "-e", script, "--", ...args] }),
  });
  const done = await response.json<{ exit_code: number; stdout: string; stderr: string }>();
  if (done.exit_code !== 0) throw new Error(`The script in the machine failed: ${JSON.stringify(done)}`);
  return done.stdout;
}
