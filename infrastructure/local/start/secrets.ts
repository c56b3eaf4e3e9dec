import { generateKeyPairSync, randomBytes } from "node:crypto";
import { chmod, readFile } from "node:fs/promises";
import { z } from "zod";
import { writeFileAtomically } from "./atomic-file.ts";

const secret = z.string().min(32);

const Secrets = z.object({
  /** Signs the sessions of browsers. */
  nextAuthSecret: secret,
  /** Lets the demo's "Next.js app" call the platform routes. */
  internalApiSecret: secret,
  /** The gateway tokens of machines are derived from it, so it must outlive a restart. */
  gatewayTokenSecret: secret,
  flyApiToken: secret,
  /** The demo user's `kilocode_users.api_token_pepper`. */
  apiTokenPepper: secret,
  /** Of the role kiloclaw_worker, when the database is the user's own. */
  databaseWorkerPassword: secret,
  /** Opens what an app seals for the Worker. */
  agentEnvVarsPrivateKey: z.string().startsWith("-----BEGIN PRIVATE KEY-----"),
});

/** Secrets of before there was a private key get one when they are read. */
const Stored = Secrets.partial({ agentEnvVarsPrivateKey: true });

export type Secrets = z.output<typeof Secrets>;

/**
 * The secrets of this checkout: made at random on the first start, and the same ever after.
 *
 * @throws when the file can't be understood; it is left as it is, because machines depend on what is in it.
 */
export async function loadSecrets(path: string): Promise<Secrets> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  });
  if (text === null) {
    return write(path, makeSecrets());
  }
  const read = Stored.safeParse(parseJson(text));
  if (!read.success) {
    throw new Error(`${path} can't be understood. Repair it, or begin anew with: pnpm start --fresh`);
  }
  const { agentEnvVarsPrivateKey, ...others } = read.data;
  if (agentEnvVarsPrivateKey === undefined) {
    return write(path, { ...others, agentEnvVarsPrivateKey: makePrivateKey() });
  }
  await chmod(path, 0o600);
  return { ...others, agentEnvVarsPrivateKey };
}

async function write(path: string, secrets: Secrets): Promise<Secrets> {
  await writeFileAtomically(path, `${JSON.stringify(secrets, null, 2)}\n`);
  return secrets;
}

function makeSecrets(): Secrets {
  const make = () => randomBytes(32).toString("base64url");
  return {
    nextAuthSecret: make(),
    internalApiSecret: make(),
    gatewayTokenSecret: make(),
    flyApiToken: make(),
    apiTokenPepper: make(),
    databaseWorkerPassword: make(),
    agentEnvVarsPrivateKey: makePrivateKey(),
  };
}

function makePrivateKey(): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 3_072 });
  return privateKey.export({ type: "pkcs8", format: "pem" });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
