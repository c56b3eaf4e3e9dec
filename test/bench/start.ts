import { spawn } from "node:child_process";
import { join } from "node:path";
import { ensureOpenClaw } from "../../infrastructure/docker/openclaw.ts";
import { freePort, type LocalStart, localStart } from "../support/local-start.ts";

const ROUNDS = 3;
const PATIENCE_MS = 120_000;
const POLL_MS = 50;

/** How long an instance takes from `start` to a ready gateway, and the same gateway started by hand, in turns. */
export async function benchStart(
  dir: string,
): Promise<{ rounds: number; instanceS: number; byHandS: number }> {
  const openclaw = await ensureOpenClaw({ log: (line) => console.log(line) });
  const home = join(dir, "by-hand");
  // The first start of each compiles and copies; neither is measured.
  await startByHand(openclaw.dir, home);
  const local = await localStart(join(dir, "local"));
  const instance: number[] = [];
  const byHand: number[] = [];
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      await platform(local, "stop");
      byHand.push(await startByHand(openclaw.dir, home));
      const startedAt = performance.now();
      await platform(local, "start");
      instance.push((performance.now() - startedAt) / 1_000);
    }
  } finally {
    await local.stop();
  }
  return { rounds: ROUNDS, instanceS: median(instance), byHandS: median(byHand) };
}

/** Starts the gateway as its manual says, until `/readyz` answers 200; then ends it. */
async function startByHand(openclawDir: string, home: string): Promise<number> {
  const port = await freePort();
  const program = join(openclawDir, "node_modules", "openclaw", "openclaw.mjs");
  const args = [
    "gateway",
    "--allow-unconfigured",
    "--bind",
    "loopback",
    "--port",
    String(port),
    "--token",
    "bench",
  ];
  const startedAt = performance.now();
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env["PATH"], HOME: home, OPENCLAW_NO_RESPAWN: "1", OPENCLAW_DISABLE_BONJOUR: "1" },
    stdio: "ignore",
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  try {
    while (!(await isReady(port))) {
      if (child.exitCode !== null) throw new Error(`the gateway ended with code ${child.exitCode}`);
      if (performance.now() - startedAt > PATIENCE_MS) throw new Error("the gateway did not get ready");
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return (performance.now() - startedAt) / 1_000;
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
  } catch {
    return false;
  }
}

async function platform({ ready }: LocalStart, operation: "start" | "stop"): Promise<void> {
  const response = await fetch(`${ready.workerUrl}/api/platform/${operation}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-internal-api-key": ready.internalApiSecret },
    body: JSON.stringify({ userId: ready.userId }),
  });
  if (response.status !== 200)
    throw new Error(`${operation} answered ${response.status}: ${await response.text()}`);
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
