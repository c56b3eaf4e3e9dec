import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ENTRY = fileURLToPath(new URL("main.ts", import.meta.url));
/** What CommonJS dependencies expect of a module that esbuild turned into ESM. */
const REQUIRE_BANNER =
  "import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url);";

/**
 * Bundles the controller to one file that runs on Node 22 and newer from a directory without node_modules.
 *
 * @param outfile where to write it, by convention with the ending `.mjs`
 */
export async function bundleController(outfile: string): Promise<void> {
  await build({
    entryPoints: [ENTRY],
    outfile,
    bundle: true,
    platform: "node",
    target: "node22",
    format: "esm",
    minify: true,
    legalComments: "none",
    banner: { js: REQUIRE_BANNER },
    logLevel: "warning",
  });
}

if (import.meta.main) {
  const outfile = process.argv[2];
  if (outfile === undefined) {
    console.error("usage: node controller/bundle.ts <outfile>");
    process.exitCode = 2;
  } else {
    await bundleController(outfile);
  }
}
