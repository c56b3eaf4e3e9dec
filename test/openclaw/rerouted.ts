import { mkdir, mkdtemp, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * An OpenClaw that calls `url` wherever it would call Telegram, for a version without a setting for it: its own program, after a
 * few lines that reroute `fetch`. Nothing of the installation is changed.
 *
 * @returns a directory for `OPENCLAW_DIR`
 */
export async function reroutedOpenClaw(openClawDir: string, url: string, parent: string): Promise<string> {
  const real = join(openClawDir, "node_modules", "openclaw");
  const directory = await mkdtemp(join(parent, "rerouted-"));
  const own = join(directory, "node_modules", "openclaw");
  await mkdir(own, { recursive: true });
  await writeFile(join(own, "package.json"), await readFile(join(real, "package.json"), "utf8"));
  const json5 = join(real, "..", ".pnpm", "node_modules", "json5");
  await symlink(json5, join(directory, "node_modules", "json5"));
  await writeFile(
    join(own, "openclaw.mjs"),
    `const original = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const target = String(input instanceof Request ? input.url : input);
  return target.startsWith("https://api.telegram.org/")
    ? original(${JSON.stringify(url)} + target.slice("https://api.telegram.org".length), init)
    : original(input, init);
};
process.argv[1] = ${JSON.stringify(join(real, "openclaw.mjs"))};
await import(${JSON.stringify(pathToFileURL(join(real, "openclaw.mjs")).href)});
`,
  );
  return directory;
}
