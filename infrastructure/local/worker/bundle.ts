import { execFile } from "node:child_process";
import { mkdir, readdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join, parse } from "node:path";
import { promisify } from "node:util";

export interface WorkerBundle {
  readonly dir: string;
  /** Miniflare's module list, the entry first. */
  readonly modules: { type: "ESModule" | "Text" | "Data" | "CompiledWasm"; path: string }[];
}

/**
 * Bundles the Worker with `wrangler deploy --dry-run`, so that what runs locally is, byte for byte, what a deploy uploads.
 *
 * @param options.configPath wrangler.jsonc; its `main` is the entry.
 * @param options.outDir emptied first.
 * @throws an error with wrangler's own output when the Worker does not build.
 */
export async function bundleWorker(options: {
  configPath: string;
  main: string;
  outDir: string;
}): Promise<WorkerBundle> {
  await rm(options.outDir, { recursive: true, force: true });
  await mkdir(options.outDir, { recursive: true });
  const wrangler = join(
    dirname(createRequire(import.meta.url).resolve("wrangler/package.json")),
    "bin/wrangler.js",
  );
  const args = [wrangler, "deploy", "--dry-run", "--outdir", options.outDir, "--config", options.configPath];
  try {
    await promisify(execFile)(process.execPath, args, {
      cwd: dirname(options.configPath),
      timeout: BUNDLE_MS_MAX,
      maxBuffer: OUTPUT_BYTES_MAX,
    });
  } catch (error) {
    throw new Error(`The Worker did not build.\n${outputOf(error)}`, { cause: error });
  }
  const entry = `${parse(options.main).name}.js`;
  const others = (await readdir(options.outDir)).filter(
    (file) => file !== entry && extname(file) in MODULE_TYPES,
  );
  return {
    dir: options.outDir,
    modules: [
      { type: "ESModule", path: join(options.outDir, entry) },
      ...others.map((file) => ({ type: moduleTypeOf(file), path: join(options.outDir, file) })),
    ],
  };
}

/** A build takes about a second; a minute means that it hangs. */
const BUNDLE_MS_MAX = 60_000;

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

/** What wrangler's default module rules emit beside the entry (https://developers.cloudflare.com/workers/wrangler/bundling/). */
const MODULE_TYPES = {
  ".txt": "Text",
  ".html": "Text",
  ".sql": "Text",
  ".bin": "Data",
  ".wasm": "CompiledWasm",
} as const;

function moduleTypeOf(file: string): WorkerBundle["modules"][number]["type"] {
  for (const [extension, type] of Object.entries(MODULE_TYPES)) if (file.endsWith(extension)) return type;
  return "ESModule";
}

function outputOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const output = ["stdout" in error ? error.stdout : "", "stderr" in error ? error.stderr : ""]
    .join("\n")
    .trim();
  return output === "" ? error.message : output;
}
