import { compactDecrypt, decodeProtectedHeader } from "jose";
import { z } from "zod";
import { CONTROLLER_VARIABLES, variableNameSchema } from "../src/gateway/wire.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export type Unsealed =
  /** `ignored` are the names of sealed variables that are neither ours nor a user's to set. */
  | { readonly ok: true; readonly env: Environment; readonly ignored: readonly string[] }
  /** Names what is wrong with which variable, never a value. */
  | { readonly ok: false; readonly problems: readonly string[] };

const PREFIX = "KILOCLAW_SEALED_";
const KEYS = "KILOCLAW_ENV_KEY";
const SANDBOX_ID = "KILOCLAW_SANDBOX_ID";

const KEY_BYTES = 32;
/** The current key, and the one before it. */
const KEYS_MAX = 2;
/** Far more than a machine's environment has room for. */
const VARIABLES_MAX = 512;
const PROBLEMS_MAX = 10;
/** An app's secret from before keys had ids is the first key alone. */
const FIRST_KEY_ID = "1";

const headerSchema = z.strictObject({
  alg: z.literal("dir"),
  enc: z.literal("A256GCM"),
  kid: z.string().max(16),
  v: z.literal(1),
  name: z.string(),
  sandbox: z.string(),
});

const ours: ReadonlySet<string> = new Set(CONTROLLER_VARIABLES);

/** Whether it is a sealed variable or the key to it, which nobody needs but who opens them. */
export function isSealing(name: string): boolean {
  return name === KEYS || name.startsWith(PREFIX);
}

/**
 * The machine's environment with the variables that the Worker sealed in it, and without the sealed texts and their key. All of
 * them open, or none is used. An environment in which nothing is sealed is taken as it is. The format is told in the Worker's
 * src/crypto/sealed-env.ts.
 */
export async function unsealEnvironment(machine: Environment): Promise<Unsealed> {
  const plain = Object.fromEntries(Object.entries(machine).filter(([name]) => !isSealing(name)));
  const sealed = Object.entries(machine).filter(
    (entry): entry is [string, string] => entry[0].startsWith(PREFIX) && (entry[1] ?? "") !== "",
  );
  if (sealed.length === 0) return { ok: true, env: plain, ignored: [] };
  if (sealed.length > VARIABLES_MAX) return failed(`more than ${VARIABLES_MAX} variables are sealed`);

  const sandboxId = machine[SANDBOX_ID] ?? "";
  if (sandboxId === "") return failed(`${SANDBOX_ID} is missing`);
  const given = machine[KEYS] ?? "";
  if (given === "") return failed(`${KEYS} is missing`);
  const keys = readKeys(given);
  if (keys === null) return failed(`${KEYS} is not a key`);

  const opened: Record<string, string> = {};
  const ignored: string[] = [];
  const problems: string[] = [];
  for (const [name, jwe] of sealed) {
    const result = await open(jwe, name, sandboxId, keys);
    if (!result.ok) problems.push(`${name} ${result.problem}`);
    else if (ours.has(result.name) || variableNameSchema.safeParse(result.name).success)
      opened[result.name] = result.value;
    else ignored.push(result.name);
  }
  if (problems.length > 0) return { ok: false, problems: problems.slice(0, PROBLEMS_MAX) };
  return { ok: true, env: { ...plain, ...opened, [SANDBOX_ID]: sandboxId }, ignored };
}

function failed(problem: string): Unsealed {
  return { ok: false, problems: [problem] };
}

/** Keys by their ids: `id:base64`, comma-separated, or one without an id. Null where anything of it is no key. */
function readKeys(text: string): ReadonlyMap<string, Uint8Array> | null {
  const items = text.split(",");
  if (items.length > KEYS_MAX) return null;
  const keys = new Map<string, Uint8Array>();
  for (const item of items) {
    const [, id = FIRST_KEY_ID, base64 = ""] = /^(?:([1-9]\d{0,6}):)?([A-Za-z0-9+/=]+)$/.exec(item) ?? [];
    const key = new Uint8Array(Buffer.from(base64, "base64"));
    if (key.length !== KEY_BYTES || keys.has(id)) return null;
    keys.set(id, key);
  }
  return keys;
}

type Opened =
  | { readonly ok: true; readonly name: string; readonly value: string }
  | { readonly ok: false; readonly problem: string };

async function open(
  jwe: string,
  variable: string,
  sandboxId: string,
  keys: ReadonlyMap<string, Uint8Array>,
): Promise<Opened> {
  const header = headerOf(jwe);
  if (header === null) return { ok: false, problem: "has an unknown format" };
  if (PREFIX + header.name !== variable) return { ok: false, problem: "is sealed for another name" };
  if (header.sandbox !== sandboxId) return { ok: false, problem: "is sealed for another sandbox" };
  const key = keys.get(header.kid);
  if (key === undefined) return { ok: false, problem: `is sealed with a key that ${KEYS} does not have` };
  try {
    const { plaintext } = await compactDecrypt(jwe, key, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
    });
    const value = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plaintext);
    return { ok: true, name: header.name, value };
  } catch {
    // A wrong key and an altered text both fail at the tag; which it was can't be told.
    return { ok: false, problem: `does not open with ${KEYS}` };
  }
}

function headerOf(jwe: string): z.infer<typeof headerSchema> | null {
  try {
    return headerSchema.parse(decodeProtectedHeader(jwe));
  } catch {
    return null;
  }
}
