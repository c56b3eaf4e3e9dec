import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startPostgres } from "../../infrastructure/local/postgres.ts";
import type { WorkerBindings } from "../../src/testing/provided-context.ts";
import { startMuteServers } from "./mute-servers.ts";

/** Nothing listens on tcpmux, so a test that reaches it fails at once and not after a timeout. */
const CLOSED_URL = "http://127.0.0.1:1";

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
    const fly = { apiUrl: CLOSED_URL, proxyUrl: CLOSED_URL };

    project.provide("workerDatabaseUrl", database.workerUrl);
    project.provide("adminDatabaseUrl", database.adminUrl);
    project.provide("silentDatabaseUrl", muteServers.silentUrl);
    project.provide("hangUpDatabaseUrl", muteServers.hangUpUrl);
    project.provide("flyApiUrl", fly.apiUrl);
    project.provide("flyProxyUrl", fly.proxyUrl);
    project.provide("workerBindings", workerBindings(fly));
    return cleanUp;
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

function workerBindings(fly: { apiUrl: string; proxyUrl: string }): WorkerBindings {
  return {
    WORKER_ENV: "development",
    FLY_API_TOKEN: secret(),
    FLY_APP_NAME: "kiloclaw-test",
    FLY_REGION: "ams,fra",
    FLY_API_BASE_URL: fly.apiUrl,
    FLY_PROXY_URL: fly.proxyUrl,
    FLY_REGISTRY_APP: "kiloclaw-test",
    FLY_IMAGE_TAG: "test",
    NEXTAUTH_SECRET: secret(),
    INTERNAL_API_SECRET: secret(),
    GATEWAY_TOKEN_SECRET: secret(),
  };
}

const secret = () => randomBytes(32).toString("hex");
