import { createModelServer, LOCAL_MODEL_ID } from "../model-server.ts";
import { preferPort } from "../ports.ts";
import { startWorker } from "../worker.ts";
import type { Context } from "./context.ts";
import { HOST } from "./context.ts";
import { startDatabase } from "./database.ts";
import { DEMO_USER_ID, enrolUser, issueAccessCode, registerInstance, withRegistry } from "./demo-user.ts";
import { startFly } from "./fly.ts";
import { createPlatform } from "./platform.ts";
import type { Provision } from "./platform.ts";
import type { Ready } from "./ready-file.ts";
import { writeDevEnv } from "./dev-env.ts";
import { workerBindings } from "./worker-bindings.ts";

/** How long the shown access code can be redeemed. */
const ACCESS_CODE_HOURS = 8;

/**
 * Starts all but the Worker, and writes down what a Worker that is run by hand needs to know of it.
 *
 * @returns the file for `wrangler dev --env-file`; as a comment it also says what instances need to find the model server
 */
export async function bringUpServices(context: Context): Promise<{ envFile: string }> {
  const { parts, step, paths } = context;
  const [{ workerUrl }, fly, { envVars }] = await Promise.all([
    step("Postgres", () => parts.start("Postgres", () => startDatabase(context))),
    startFly({ ...context, paths: { ...paths, fly: paths.flyOfDev } }),
    startModel(context),
  ]);
  await writeDevEnv(paths.devEnv, workerBindings(context, fly), { databaseUrl: workerUrl, envVars });
  return { envFile: paths.devEnv };
}

/**
 * Starts all parts, side by side as far as one does not need another, and then does what the Next.js app would do for one
 * demo user: the row, the instance, an access code.
 *
 * @throws the first failure; the parts that run by then are left to {@link Context.parts}.
 */
export async function bringUp(context: Context): Promise<{ ready: Ready; codeExpiresAt: Date }> {
  const { parts, step, logs, paths, secrets, stopping } = context;
  const database = step("Postgres", () => parts.start("Postgres", () => startDatabase(context)));
  const fly = startFly(context);
  const model = startModel(context);
  const worker = step("Worker", () =>
    parts.start("Worker", () =>
      startWorker({
        host: HOST,
        port: context.workerPort,
        bindings: unlessStopped(stopping, fly).then((urls) => workerBindings(context, urls)),
        databaseUrl: unlessStopped(stopping, database).then(({ workerUrl }) => workerUrl),
        persistDir: paths.worker,
        log: logs.of("worker"),
      }),
    ),
  );
  const [{ adminUrl }, { apiUrl, proxyUrl }, { url: workerUrl }, provision] = await Promise.all([
    database,
    fly,
    worker,
    model,
  ]);

  const code = await step("OpenClaw starts", (note) =>
    startInstance(context, { adminUrl, workerUrl, provision, note }),
  );
  return {
    ready: {
      workerUrl,
      flyApiUrl: apiUrl,
      flyProxyUrl: proxyUrl,
      databaseUrl: adminUrl,
      internalApiSecret: secrets.internalApiSecret,
      userId: DEMO_USER_ID,
      signInUrl: `${workerUrl}/kilo-access-gateway?userId=${encodeURIComponent(DEMO_USER_ID)}`,
      accessCode: code.code,
    },
    codeExpiresAt: code.expiresAt,
  };
}

/** Where the model server is found when nobody else is there. Machines remember its URL from one start to the next. */
const MODEL_SERVER_PORT = 4290;

/** The model that the instance is provisioned with: the person's own account, or else a model server of ours. */
async function startModel({ environment, parts, step }: Context): Promise<Provision> {
  const { KILOCODE_API_KEY, KILOCODE_API_BASE_URL, KILOCODE_DEFAULT_MODEL } = environment;
  if (KILOCODE_API_KEY !== undefined) {
    return {
      userId: DEMO_USER_ID,
      kilocodeApiKey: KILOCODE_API_KEY,
      kilocodeDefaultModel: KILOCODE_DEFAULT_MODEL ?? null,
      envVars: KILOCODE_API_BASE_URL === undefined ? {} : { KILOCODE_API_BASE_URL },
    };
  }
  const { url } = await step("Model server", () =>
    parts.start("model server", async () =>
      createModelServer({ host: HOST, port: await preferPort(HOST, MODEL_SERVER_PORT) }),
    ),
  );
  return {
    userId: DEMO_USER_ID,
    kilocodeApiKey: "local-model",
    kilocodeDefaultModel: LOCAL_MODEL_ID,
    envVars: { KILOCODE_API_BASE_URL: `${url}/v1` },
  };
}

async function startInstance(
  { secrets, stopping }: Context,
  demo: { adminUrl: string; workerUrl: string; provision: Provision; note: (text: string) => void },
): Promise<{ code: string; expiresAt: Date }> {
  const { adminUrl, workerUrl, provision, note } = demo;
  const { userId } = provision;
  const platform = createPlatform({
    workerUrl,
    internalApiSecret: secrets.internalApiSecret,
    signal: stopping,
  });
  return withRegistry(adminUrl, async (registry) => {
    await enrolUser(registry, { id: userId, pepper: secrets.apiTokenPepper });
    const { sandboxId } = await platform.provision(provision);
    await registerInstance(registry, { userId, sandboxId });
    await platform.start(userId);
    await platform.untilRunning(userId, note);
    return issueAccessCode(registry, { userId, validHours: ACCESS_CODE_HOURS });
  });
}

/** The value, or a refusal as soon as everything is to end: a part that waits for another must not hold up the end. */
async function unlessStopped<T>(stopping: AbortSignal, value: Promise<T>): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const refuse = () => stopped.reject(new Error("Everything is being stopped."));
  if (stopping.aborted) refuse();
  stopping.addEventListener("abort", refuse, { once: true });
  try {
    return await Promise.race([value, stopped.promise]);
  } finally {
    stopping.removeEventListener("abort", refuse);
  }
}
