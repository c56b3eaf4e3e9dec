import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { SETTING_NAMES, variableNameSchema } from "../src/gateway/wire.ts";
import { isSetting } from "./environment.ts";
import { readSmallFile, replaceFile } from "./files.ts";
import { unsealEnvironment, type Environment, type Unsealed } from "./sealed-env.ts";

/** Which settings a machine has; the Worker raises it with every change of them. */
export const GENERATION = "KILOCLAW_GENERATION";
/** Which of them came to the Worker sealed, and which have names that an image sets too. */
const NAMES: ReadonlySet<string> = new Set(["KILOCLAW_SECRET_NAMES", SETTING_NAMES]);
/** Before the name of a variable that is sealed. */
const SEALED_PREFIX = "KILOCLAW_SEALED_";
/** The Worker's own bounds are 200 variables of 16,384 characters; sealed and escaped each is twice as long at most. */
const FILE_BYTES_MAX = 8_000_000;

const storedSchema = z.object({
  generation: z.int().positive(),
  variables: z.record(z.string(), z.string()),
});
export type StoredSettings = z.infer<typeof storedSchema>;

/** What became of the file: an `outdated` one is gone, and an `unusable` one when it certainly is not what we wrote. */
const STORED_OUTCOMES = ["none", "used", "outdated", "unusable"] as const;
export const storedOutcomeSchema = z.enum(STORED_OUTCOMES);
export type StoredOutcome = z.infer<typeof storedOutcomeSchema>;

export interface OpenedMachine {
  readonly unsealed: Unsealed;
  readonly stored: StoredOutcome;
}

/** Keeps settings for the next start of the machine on its disk. Throws the errors of the file system. */
export async function storeSettings(path: string, settings: StoredSettings): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await replaceFile(path, JSON.stringify(settings), { durable: true });
}

/**
 * A machine's environment, opened, with the settings that were stored in the place of its own when they are of a newer
 * generation: Fly's environment of a machine that is restarted in its place is as old as the machine. Variables are taken as
 * they came, sealed where the machine's are sealed, and only those that are settings. Never throws.
 */
export async function openMachine(machine: Environment, path: string): Promise<OpenedMachine> {
  const own = await unsealEnvironment(machine);
  const file = await readStored(path);
  if (file === "none" || !own.ok) return { unsealed: own, stored: "none" };
  // Another start may be able to read it.
  if (file === "unreadable") return { unsealed: own, stored: "unusable" };
  if (file === "not_ours") {
    await remove(path);
    return { unsealed: own, stored: "unusable" };
  }
  const generation = generationOf(own.env);
  // A machine that knows no generation was never sent any, whoever wrote the file.
  if (generation === 0 || file.generation <= generation) {
    await remove(path);
    return { unsealed: own, stored: "outdated" };
  }
  const both = await unsealEnvironment(withSettingsOf(machine, file.variables));
  // Sealed with a key that this machine does not have, they may open at a start that has it.
  if (!both.ok) return { unsealed: own, stored: "unusable" };
  const env = { ...both.env, [GENERATION]: String(file.generation) };
  return { unsealed: { ...both, env }, stored: "used" };
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

/** `unreadable` says nothing of what is in it, `not_ours` that it was cut short, is of another shape, or no file of its own. */
async function readStored(path: string): Promise<StoredSettings | "none" | "not_ours" | "unreadable"> {
  try {
    const file = await readSmallFile(path, { bytesMax: FILE_BYTES_MAX, followLink: false });
    if (file.kind === "absent") return "none";
    if (file.kind === "unreadable") return "not_ours";
    const parsed = storedSchema.safeParse(jsonOf(file.text));
    return parsed.success ? parsed.data : "not_ours";
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ELOOP" ? "not_ours" : "unreadable";
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function generationOf(env: Environment): number {
  const parsed = z.coerce.number().int().positive().safeParse(env[GENERATION]);
  return parsed.success ? parsed.data : 0;
}

function withSettingsOf(machine: Environment, variables: Readonly<Record<string, string>>): Environment {
  const isSealed = Object.keys(machine).some((name) => name.startsWith(SEALED_PREFIX));
  // A plain value beside sealed ones is the image's, and hidden by a sealed one of its name.
  const isReplaced = (name: string): boolean =>
    name.startsWith(SEALED_PREFIX) ? isOfSettings(name) : NAMES.has(name) || isSetting(name, machine);
  const own = Object.entries(machine).filter(([name]) => !isReplaced(name));
  // Where the platform seals, a plain value is nobody's whom we know.
  const taken = Object.entries(variables).filter(
    ([name]) => isOfSettings(name) && name.startsWith(SEALED_PREFIX) === isSealed,
  );
  return { ...Object.fromEntries(own), ...Object.fromEntries(taken) };
}

/** Whether something of this name, sealed or not, can be a setting, or tells of settings. */
function isOfSettings(name: string): boolean {
  const opened = name.startsWith(SEALED_PREFIX) ? name.slice(SEALED_PREFIX.length) : name;
  return NAMES.has(opened) || variableNameSchema.safeParse(opened).success;
}
