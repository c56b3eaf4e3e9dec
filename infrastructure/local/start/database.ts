import { migrate, startPostgres } from "../postgres.ts";
import { preferPort } from "../ports.ts";
import type { Context } from "./context.ts";
import { HOST } from "./context.ts";
import type { Part } from "./parts.ts";

/** Where local Postgres is found when nobody else is there. */
const POSTGRES_PORT = 54_329;

/** Both databases are migrated. `adminUrl` may change the registry's tables; `workerUrl` is the Worker's narrow role. */
export interface Database extends Part {
  readonly adminUrl: string;
  readonly workerUrl: string;
}

/** The user's own database where DATABASE_URL names one, else a Postgres of this checkout's. */
export async function startDatabase({
  environment,
  secrets,
  paths,
  logs,
  stopping,
}: Context): Promise<Database> {
  const own = environment.DATABASE_URL;
  if (own !== undefined) {
    const { workerUrl } = await migrate(own, { workerPassword: secrets.databaseWorkerPassword });
    return { adminUrl: own, workerUrl, close: () => Promise.resolve() };
  }
  const server = await startPostgres({
    dir: paths.postgres,
    port: await preferPort(HOST, POSTGRES_PORT),
    log: logs.of("postgres"),
    signal: stopping,
  });
  return {
    adminUrl: server.adminUrl,
    workerUrl: server.workerUrl,
    close: () => server.stop(),
    crashed: server.exited.then(({ code, signal }) => `it ended with ${signal ?? `code ${code}`}.`),
  };
}
