import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  createLocalFly,
  type LocalFly,
  type LocalFlyOptions,
} from "../../../infrastructure/local/fly/index.ts";
import { type LocalPostgres, startPostgres } from "../../../infrastructure/local/postgres.ts";
import { startWorker } from "../../../infrastructure/local/worker.ts";

const STAND_IN_MACHINE = fileURLToPath(new URL("../../support/stand-in-machine.ts", import.meta.url));
export const FLY_APP_NAME = "kiloclaw-failures";
/** Nobody listens on port 1, and its password must turn up nowhere. */
const NO_DATABASE_URL = "postgres://kiloclaw_worker:database-password@127.0.0.1:1/kiloclaw";

export type RunningWorker = {
  url: string;
  /** Every line that the Worker logged so far. */
  log: readonly string[];
  close: () => Promise<void>;
};

/**
 * A Worker as production runs it, and as much of the world around it as a test wants: each part on a port of the system's
 * choice, with its files in one directory, and ended by `close` in the opposite order.
 */
export class World {
  readonly dir: string;
  readonly secrets = {
    FLY_API_TOKEN: secret(),
    NEXTAUTH_SECRET: secret(),
    INTERNAL_API_SECRET: secret(),
    GATEWAY_TOKEN_SECRET: secret(),
  };
  readonly #closes: (() => void | Promise<unknown>)[] = [];

  private constructor(dir: string) {
    this.dir = dir;
    this.onClose(() => rm(dir, { recursive: true, force: true }));
  }

  static async open(): Promise<World> {
    return new World(await mkdtemp(join(tmpdir(), "kiloclaw-failures-")));
  }

  onClose(close: () => void | Promise<unknown>): void {
    this.#closes.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closes.splice(0).toReversed()) await close();
  }

  /** A Fly whose machines run the stand-in, with the Worker's app in it. */
  async startFly(options: Partial<LocalFlyOptions> = {}): Promise<LocalFly> {
    const token = options.token ?? this.secrets.FLY_API_TOKEN;
    const fly = await createLocalFly({
      dataDir: join(this.dir, "fly"),
      apiPort: 0,
      proxyPort: 0,
      runtime: { kind: "process", image: { command: [process.execPath, STAND_IN_MACHINE], env: {} } },
      ...options,
      token,
    });
    this.onClose(() => fly.close());
    await createApp(fly.apiUrl, token);
    return fly;
  }

  async startDatabase(): Promise<LocalPostgres> {
    const database = await startPostgres({ dir: join(this.dir, "postgres"), port: 0, durable: false });
    this.onClose(() => database.stop());
    return database;
  }

  /** `without` names variables that the Worker does not get at all. */
  async startWorker(options: {
    fly: { apiUrl: string; proxyUrl: string };
    databaseUrl?: string;
    bindings?: Record<string, string>;
    without?: string;
    persistDir?: string;
  }): Promise<RunningWorker> {
    const log: string[] = [];
    const bindings = {
      ...this.secrets,
      WORKER_ENV: "production",
      FLY_APP_NAME,
      FLY_REGION: "ams,fra",
      FLY_API_BASE_URL: options.fly.apiUrl,
      FLY_PROXY_URL: options.fly.proxyUrl,
      FLY_IMAGE_TAG: "test",
      ...options.bindings,
    };
    const worker = await startWorker({
      host: "127.0.0.1",
      port: 0,
      bindings: Object.fromEntries(Object.entries(bindings).filter(([name]) => name !== options.without)),
      databaseUrl: options.databaseUrl ?? NO_DATABASE_URL,
      persistDir: join(this.dir, options.persistDir ?? "worker"),
      log: (_level, line) => log.push(line),
    });
    this.onClose(() => worker.close());
    return { url: worker.url, log, close: worker.close };
  }

  /** Which of our secrets stand in a text, by name. */
  leaksIn(...texts: string[]): string[] {
    const all = texts.join("\n");
    const secrets = { ...this.secrets, databasePassword: "database-password" };
    return Object.entries(secrets).flatMap(([name, value]) => (all.includes(value) ? [name] : []));
  }
}

async function createApp(apiUrl: string, token: string): Promise<void> {
  const answer = await fetch(new URL("/v1/apps", apiUrl), {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ app_name: FLY_APP_NAME, org_slug: "personal" }),
  });
  if (!answer.ok) throw new Error(`The local Fly answers ${answer.status}: ${await answer.text()}`);
}

function secret(): string {
  return randomBytes(32).toString("hex");
}
