import { createDecipheriv } from "node:crypto";
import { z } from "zod";

type Environment = Readonly<Record<string, string | undefined>>;

export type Unsealed =
  | { readonly ok: true; readonly env: Environment }
  /** Names what is wrong with which variable, never a value. */
  | { readonly ok: false; readonly problems: readonly [string] };

const SEALED = "KILOCLAW_SEALED_ENV";
const KEY = "KILOCLAW_ENV_KEY";
const SANDBOX_ID = "KILOCLAW_SANDBOX_ID";

const VERSION_PREFIX = "v1.";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Far more parts than a machine's environment has room for. */
const PARTS_MAX = 64;

const variablesSchema = z.record(z.string(), z.string());

/**
 * The machine's environment with the variables that the Worker sealed in it, and without the sealed text and its key. An
 * environment in which nothing is sealed is taken as it is. The format is told in the Worker's src/crypto/sealed-env.ts.
 */
export function unsealEnvironment(machine: Environment): Unsealed {
  const env: Record<string, string | undefined> = { ...machine };
  const parts: string[] = [];
  for (let part = 1; part <= PARTS_MAX; part += 1) {
    const name = part === 1 ? SEALED : `${SEALED}_${part}`;
    const text = env[name] ?? "";
    delete env[name];
    if (text === "") break;
    parts.push(text);
  }
  delete env[KEY];
  if (parts.length === 0) return { ok: true, env };

  const sandboxId = machine[SANDBOX_ID] ?? "";
  if (sandboxId === "") return failed(`${SANDBOX_ID} is missing`);
  const givenKey = machine[KEY] ?? "";
  if (givenKey === "") return failed(`${KEY} is missing`);
  const key = Buffer.from(givenKey, "base64");
  if (key.length !== KEY_BYTES) return failed(`${KEY} is not a key`);
  const text = parts.join("");
  if (!/^v1\.[A-Za-z0-9_-]+$/.test(text)) return failed(`${SEALED} has an unknown format`);
  const variables = open(Buffer.from(text.slice(VERSION_PREFIX.length), "base64url"), key, sandboxId);
  if (variables === null) return failed(`${SEALED} does not open with ${KEY} for this sandbox`);
  return { ok: true, env: { ...env, ...variables, [SANDBOX_ID]: sandboxId } };
}

function failed(problem: string): Unsealed {
  return { ok: false, problems: [problem] };
}

function open(sealed: Buffer, key: Buffer, sandboxId: string): Record<string, string> | null {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return null;
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(sandboxId));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const plain = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, "utf8");
    return variablesSchema.parse(JSON.parse(plain + decipher.final("utf8")));
  } catch {
    // A wrong key, another sandbox's text and an altered one all fail at the tag; which it was can't be told.
    return null;
  }
}
