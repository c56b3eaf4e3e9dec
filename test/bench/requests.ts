import { createHmac, randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import autocannon from "autocannon";
import { SignJWT } from "jose";
import postgres from "postgres";
import { z } from "zod";
import { createLocalFly } from "../../infrastructure/local/fly/index.ts";
import { startPostgres } from "../../infrastructure/local/postgres.ts";
import { startWorker } from "../../infrastructure/local/worker.ts";

const ROUNDS = 3;
const ROUND_S = 5;
const CONNECTIONS = 16;
const APP = "kiloclaw-bench";
const USER = "bench";
const MACHINE = fileURLToPath(new URL("../support/stand-in-machine.ts", import.meta.url));
const PASS_THROUGH = fileURLToPath(new URL("pass-through/wrangler.jsonc", import.meta.url));

export type Figures = { requestsPerSecond: number; p50Ms: number; p99Ms: number };

/** Requests per second and latencies through the Worker and through one that only passes on, to the same machine, in turns. */
export async function benchRequests(
  dir: string,
): Promise<{ rounds: number; connections: number; worker: Figures; passThrough: Figures }> {
  const closes: (() => Promise<void>)[] = [];
  try {
    const secrets = {
      NEXTAUTH_SECRET: secret(),
      INTERNAL_API_SECRET: secret(),
      GATEWAY_TOKEN_SECRET: secret(),
      FLY_API_TOKEN: secret(),
    };
    const database = await startPostgres({ dir: join(dir, "postgres"), port: 0, durable: false });
    closes.push(() => database.stop());
    const image = { command: [process.execPath, MACHINE], env: {} };
    const fly = await createLocalFly({
      dataDir: join(dir, "fly"),
      apiPort: 0,
      proxyPort: 0,
      runtime: { kind: "process", image },
    });
    closes.push(() => fly.close());
    await createApp(fly.apiUrl, secrets.FLY_API_TOKEN);
    const common = { host: "127.0.0.1", port: 0, log: () => undefined, databaseUrl: database.workerUrl };
    const worker = await startWorker({
      ...common,
      persistDir: join(dir, "worker"),
      bindings: {
        ...secrets,
        WORKER_ENV: "development",
        FLY_APP_NAME: APP,
        FLY_REGION: "ams",
        FLY_API_BASE_URL: fly.apiUrl,
        FLY_PROXY_URL: fly.proxyUrl,
        FLY_IMAGE_TAG: "bench",
      },
    });
    closes.push(() => worker.close());
    const { machineId, sandboxId } = await startInstance(
      worker.url,
      database.adminUrl,
      secrets.INTERNAL_API_SECRET,
    );
    const passThrough = await startWorker({
      ...common,
      persistDir: join(dir, "pass-through"),
      configPath: PASS_THROUGH,
      bindings: {
        UPSTREAM: fly.proxyUrl,
        MACHINE_ID: machineId,
        PROXY_TOKEN: createHmac("sha256", secrets.GATEWAY_TOKEN_SECRET)
          .update(`proxy-token:${sandboxId}`)
          .digest("hex"),
      },
    });
    closes.push(() => passThrough.close());
    const cookie = `kiloclaw-auth=${await session(secrets.NEXTAUTH_SECRET)}`;
    const rounds: { worker: Figures; passThrough: Figures }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      rounds.push({
        worker: await load(worker.url, cookie),
        passThrough: await load(passThrough.url, cookie),
      });
    }
    return {
      rounds: ROUNDS,
      connections: CONNECTIONS,
      worker: best(rounds.map((round) => round.worker)),
      passThrough: best(rounds.map((round) => round.passThrough)),
    };
  } finally {
    for (const close of closes.toReversed()) await close();
  }
}

async function load(url: string, cookie: string): Promise<Figures> {
  const result = await autocannon({
    url: `${url}/1k`,
    connections: CONNECTIONS,
    duration: ROUND_S,
    headers: { cookie },
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${result.non2xx} answers were not 2xx and ${result.errors} requests failed at ${url}`);
  }
  return { requestsPerSecond: result.requests.average, p50Ms: result.latency.p50, p99Ms: result.latency.p99 };
}

async function startInstance(workerUrl: string, adminUrl: string, internalKey: string) {
  const sql = postgres(adminUrl, { max: 1 });
  await sql`insert into kilocode_users (id, api_token_pepper) values (${USER}, ${"pepper"})`;
  await sql.end();
  const call = async (operation: string) => {
    const response = await fetch(`${workerUrl}/api/platform/${operation}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-internal-api-key": internalKey },
      body: JSON.stringify({ userId: USER }),
    });
    if (!response.ok) throw new Error(`${operation} answered ${response.status}: ${await response.text()}`);
  };
  await call("provision");
  await call("start");
  const status = await fetch(`${workerUrl}/api/platform/status?userId=${USER}`, {
    headers: { "x-internal-api-key": internalKey },
  });
  const { flyMachineId, sandboxId } = z
    .object({ flyMachineId: z.string(), sandboxId: z.string() })
    .parse(await status.json());
  return { machineId: flyMachineId, sandboxId };
}

async function createApp(apiUrl: string, token: string): Promise<void> {
  const response = await fetch(new URL("/v1/apps", apiUrl), {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ app_name: APP, org_slug: "personal" }),
  });
  if (!response.ok) throw new Error(`the app could not be made: ${response.status}`);
}

function session(key: string): Promise<string> {
  return new SignJWT({ kiloUserId: USER, apiTokenPepper: "pepper", version: 3 })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(key));
}

function best(figures: Figures[]): Figures {
  const [first] = figures.toSorted((a, b) => b.requestsPerSecond - a.requestsPerSecond);
  return first ?? { requestsPerSecond: Number.NaN, p50Ms: Number.NaN, p99Ms: Number.NaN };
}

function secret(): string {
  return randomBytes(32).toString("hex");
}
