import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { OPENCLAW_PIN, type OpenClawVersion } from "../../infrastructure/docker/openclaw.ts";

const LAUNCH = fileURLToPath(new URL("../../infrastructure/local/start/launch.js", import.meta.url));

const readySchema = z.strictObject({
  workerUrl: z.url(),
  flyApiUrl: z.url(),
  flyProxyUrl: z.url(),
  databaseUrl: z.string(),
  internalApiSecret: z.string().min(32),
  userId: z.string(),
  signInUrl: z.url(),
  accessCode: z.string(),
});
export type Ready = z.infer<typeof readySchema>;

export type LocalStart = {
  ready: Ready;
  /** Everything that the terminal showed so far. */
  output: () => string;
  /** Sends the signal that a supervisor would, and waits for the end: its exit code, and how long it took. */
  stop: () => Promise<{ code: number | null; durationMs: number }>;
};

/** Runs what `pnpm start` runs, with its state in `dir`, until it says that it is ready. */
export async function localStart(
  dir: string,
  options: { port?: number; openclaw?: OpenClawVersion } = {},
): Promise<LocalStart> {
  const { port = await freePort(), openclaw = OPENCLAW_PIN } = options;
  const child = spawn(process.execPath, [LAUNCH, "--port", String(port), "--openclaw", openclaw], {
    env: {
      ...process.env,
      KILOCLAW_LOCAL_DIR: dir,
      NO_COLOR: "1",
      FORCE_COLOR: undefined,
      KILOCODE_API_KEY: undefined,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  let shown = "";
  const output = (): string => shown;
  let ready: Ready;
  try {
    await untilReady(child, ended, (text) => {
      shown += text;
      return shown;
    });
    ready = readySchema.parse(JSON.parse(await readFile(join(dir, "ready.json"), "utf8")));
  } catch (error) {
    child.kill("SIGTERM");
    await ended;
    throw error;
  }
  return {
    ready,
    output,
    async stop() {
      const startedAt = performance.now();
      child.kill("SIGTERM");
      return { code: await ended, durationMs: performance.now() - startedAt };
    },
  };
}

/** The code is the last thing that `start` shows, when all is up. */
function untilReady(
  child: ChildProcess,
  ended: Promise<number | null>,
  show: (text: string) => string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let all = "";
    const onText = (chunk: Buffer): void => {
      all = show(chunk.toString());
      if (all.includes("KiloClaw is ready.") && all.includes("╰")) resolve();
    };
    child.stdout?.on("data", onText);
    child.stderr?.on("data", onText);
    void ended.then((code) =>
      reject(new Error(`start ended with code ${code} before it was ready:\n${all}`)),
    );
  });
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
