import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { isSetting } from "./environment.ts";
import { readSmallFile, replaceFile } from "./files.ts";
import { errorText } from "./log.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Which settings a machine has; the Worker raises it with every change of them. */
export const GENERATION = "KILOCLAW_GENERATION";
/** Before the name of a variable that is sealed. */
const SEALED_PREFIX = "KILOCLAW_SEALED_";
/** The Worker's own bounds are 200 variables of 16,384 characters; sealed and escaped each is twice as long at most. */
const FILE_BYTES_MAX = 8_000_000;

const storedSchema = z.object({
  generation: z.int().positive(),
  variables: z.record(z.string(), z.string()),
});
export type StoredSettings = z.infer<typeof storedSchema>;

export interface Overridden {
  readonly env: Environment;
  /** Of the settings in `env`; 0 where nobody says. */
  readonly generation: number;
  /** `outdated` and `unusable` files are gone; the latter for the reason told. */
  readonly file:
    | { readonly kind: "none" | "used" | "outdated" }
    | { readonly kind: "unusable"; readonly reason: string };
}

/** Keeps settings for the next start of the machine on its disk. Throws the errors of the file system. */
export async function storeSettings(path: string, settings: StoredSettings): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await replaceFile(path, JSON.stringify(settings), { durable: true });
}

/**
 * A machine's environment with the settings that were stored in the place of its own, when they are of a newer generation:
 * Fly's environment of a machine that is restarted in its place is as old as the machine. Variables are taken as they came,
 * sealed where the machine's are sealed, and only those that are settings. Never throws.
 */
export async function withStoredSettings(machine: Environment, path: string): Promise<Overridden> {
  const generation = generationOf(machine);
  try {
    const file = await readSmallFile(path, { bytesMax: FILE_BYTES_MAX, followLink: false });
    if (file.kind === "absent") return { env: machine, generation, file: { kind: "none" } };
    const stored = file.kind === "text" ? storedOf(file.text) : null;
    // A machine that knows no generation was never sent any, whoever wrote the file.
    const isNewer = stored !== null && generation > 0 && stored.generation > generation;
    if (isNewer) return override(machine, stored);
    await rm(path, { recursive: true, force: true });
    if (stored !== null) return { env: machine, generation, file: { kind: "outdated" } };
    const reason = file.kind === "text" ? "it is no stored settings" : file.reason;
    return { env: machine, generation, file: { kind: "unusable", reason } };
  } catch (error) {
    return { env: machine, generation, file: { kind: "unusable", reason: errorText(error) } };
  }
}

function generationOf(machine: Environment): number {
  const parsed = z.coerce.number().int().positive().safeParse(machine[GENERATION]);
  return parsed.success ? parsed.data : 0;
}

function storedOf(text: string): StoredSettings | null {
  try {
    return storedSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function override(machine: Environment, { generation, variables }: StoredSettings): Overridden {
  const isSealed = Object.keys(machine).some((name) => name.startsWith(SEALED_PREFIX));
  const own = Object.entries(machine).filter(([name]) => !isOfSettings(name));
  // Where the platform seals, a plain value is nobody's whom we know.
  const taken = Object.entries(variables).filter(
    ([name]) => isOfSettings(name) && name.startsWith(SEALED_PREFIX) === isSealed,
  );
  return {
    env: { ...Object.fromEntries(own), ...Object.fromEntries(taken), [GENERATION]: String(generation) },
    generation,
    file: { kind: "used" },
  };
}

/** Sealed or not. */
function isOfSettings(name: string): boolean {
  return isSetting(name.startsWith(SEALED_PREFIX) ? name.slice(SEALED_PREFIX.length) : name);
}
