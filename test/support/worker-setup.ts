import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { createLocalFly } from "../../infrastructure/local/fly/index.ts";
import { startPostgres } from "../../infrastructure/local/postgres.ts";
import type { WorkerBindings } from "../../src/testing/provided-context.ts";
import { startFlyGate } from "./fly-gate.ts";
import { startHtmlServer } from "./html-server.ts";
import { startMuteServers } from "./mute-servers.ts";

const STAND_IN_MACHINE = fileURLToPath(new URL("./stand-in-machine.ts", import.meta.url));
const STAND_IN_OPENCLAW = new URL("./stand-in-openclaw.ts", import.meta.url).href;
const FLY_APP_NAME = "kiloclaw-test";

/** Starts the outside world of the tests that run in workerd: the registry's database and a Fly. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cleanups: (() => void | Promise<void>)[] = [];
  const cleanUp = async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  };
  try {
    const dir = await mkdtemp(join(tmpdir(), "kiloclaw-worker-tests-"));
    cleanups.push(() => rm(dir, { recursive: true, force: true }));
    const database = await startPostgres({ dir: join(dir, "postgres"), port: 0, durable: false });
    cleanups.push(() => database.stop());
    const muteServers = await startMuteServers();
    cleanups.push(() => muteServers.close());
    const htmlServer = await startHtmlServer();
    cleanups.push(() => htmlServer.close());
    const bindings = workerBindings();
    // In every machine runs a stand-in for controller and gateway, which behaves as its variable STAND_IN says.
    const fly = await createLocalFly({
      dataDir: join(dir, "fly"),
      apiPort: 0,
      proxyPort: 0,
      runtime: { kind: "process", image: await standInImage(dir) },
      token: bindings.FLY_API_TOKEN,
      testMode: true,
    });
    cleanups.push(() => fly.close());
    await createApp(fly.apiUrl, bindings.FLY_API_TOKEN);

    const gate = await startFlyGate(fly.apiUrl);
    cleanups.push(() => gate.close());

    project.provide("workerDatabaseUrl", database.workerUrl);
    project.provide("adminDatabaseUrl", database.adminUrl);
    project.provide("silentDatabaseUrl", muteServers.silentUrl);
    project.provide("hangUpDatabaseUrl", muteServers.hangUpUrl);
    project.provide("htmlUrl", htmlServer.url);
    project.provide("flyApiUrl", fly.apiUrl);
    project.provide("flyGateUrl", gate.url);
    project.provide("flyProxyUrl", fly.proxyUrl);
    project.provide("workerBindings", {
      ...bindings,
      FLY_API_BASE_URL: gate.url,
      FLY_PROXY_URL: fly.proxyUrl,
    });
    return cleanUp;
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

/** What an exec finds in a machine: our Node, and where OpenClaw would be a stand-in for its command line. */
async function standInImage(dir: string): Promise<{ command: string[]; env: Record<string, string> }> {
  const openclawDir = join(dir, "openclaw");
  const packageDir = join(openclawDir, "node_modules", "openclaw");
  await mkdir(packageDir, { recursive: true });
  await writeFile(join(packageDir, "openclaw.mjs"), `await import(${JSON.stringify(STAND_IN_OPENCLAW)});\n`);
  const path = [dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter);
  return {
    command: [process.execPath, STAND_IN_MACHINE],
    env: { OPENCLAW_DIR: openclawDir, PATH: path },
  };
}

async function createApp(flyApiUrl: string, token: string): Promise<void> {
  const answer = await fetch(`${flyApiUrl}/v1/apps`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ app_name: FLY_APP_NAME, org_slug: "personal" }),
  });
  if (!answer.ok) throw new Error(`The local Fly answers ${answer.status}: ${await answer.text()}`);
}

function workerBindings(): Omit<WorkerBindings, "FLY_API_BASE_URL" | "FLY_PROXY_URL"> {
  return {
    WORKER_ENV: "development",
    FLY_API_TOKEN: secret(),
    FLY_APP_NAME,
    FLY_REGION: "ams,fra",
    FLY_REGISTRY_APP: FLY_APP_NAME,
    FLY_IMAGE_TAG: "test",
    NEXTAUTH_SECRET: secret(),
    INTERNAL_API_SECRET: secret(),
    GATEWAY_TOKEN_SECRET: secret(),
    AGENT_ENV_VARS_PRIVATE_KEY: privateKey(),
  };
}

const secret = () => randomBytes(32).toString("hex");

function privateKey(): string {
  const { privateKey: key } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  return key.export({ type: "pkcs8", format: "pem" });
}
