import { writeFileAtomically } from "./atomic-file.ts";

/** How wrangler is told what a local Hyperdrive connects to (docs: hyperdrive, local development). */
const HYPERDRIVE_VARIABLE = "CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE";

/**
 * Writes a file for `wrangler dev --env-file`: the Worker's variables and secrets and its database, and as comments what an
 * instance is to be provisioned with, so that its OpenClaw finds the model server.
 */
export async function writeDevEnv(
  path: string,
  bindings: Readonly<Record<string, string>>,
  { databaseUrl, envVars }: { databaseUrl: string; envVars: Readonly<Record<string, string>> },
): Promise<void> {
  const lines = Object.entries({ ...bindings, [HYPERDRIVE_VARIABLE]: databaseUrl }).map(
    ([name, value]) => `${name}=${JSON.stringify(value)}`,
  );
  const hint = `# Provision instances with "envVars": ${JSON.stringify(envVars)}`;
  await writeFileAtomically(path, `${[hint, ...lines].join("\n")}\n`);
}
