import { readFile, realpath } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { z } from "zod";

/** The OpenClaw that is installed on this machine. */
export interface OpenClaw {
  readonly version: string;
  /** The script that `node` runs. */
  readonly entry: string;
  /** Its own parser of configuration files, JSON5. Throws a SyntaxError. */
  readonly parseConfig: (text: string) => unknown;
}

const manifestSchema = z.object({ version: z.string().min(1).max(80) });
const json5Schema = z.object({ parse: z.function({ input: [z.string()], output: z.unknown() }) });

/**
 * Finds OpenClaw in `directory/node_modules`. The configuration may hold comments, so the parser is the one
 * that OpenClaw itself depends on.
 *
 * @throws when it is not installed there
 */
export async function findOpenClaw(directory: string): Promise<OpenClaw> {
  // pnpm links packages, and what OpenClaw depends on stands beside the real one.
  const root = await realpath(join(directory, "node_modules", "openclaw"));
  const manifest = manifestSchema.parse(JSON.parse(await readFile(join(root, "package.json"), "utf8")));
  const entry = join(root, "openclaw.mjs");
  const json5 = json5Schema.parse(createRequire(entry)("json5"));
  return { version: manifest.version, entry, parseConfig: json5.parse };
}
