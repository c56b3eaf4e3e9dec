import { randomBytes } from "node:crypto";
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
});

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
    const made = makeSecrets();
    await writeFileAtomically(path, `${JSON.stringify(made, null, 2)}\n`);
    return made;
  }
  const read = Secrets.safeParse(parseJson(text));
  if (!read.success) {
    throw new Error(`${path} can't be understood. Repair it, or begin anew with: pnpm start --fresh`);
  }
  await chmod(path, 0o600);
  return read.data;
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
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
