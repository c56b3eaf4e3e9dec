import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LocalFlyOptions } from "../../../infrastructure/local/fly/index.ts";

const CONTROLLER = fileURLToPath(new URL("../../../controller/main.ts", import.meta.url));
const GATEWAY = new URL("../../../controller/testing/stand-in-gateway.ts", import.meta.url).href;

/**
 * Machines that run the controller itself, over a stand-in for OpenClaw that answers what it was asked, and at `/env` its
 * environment. `dir` is where it is installed.
 */
export async function controllerRuntime(dir: string): Promise<LocalFlyOptions["runtime"]> {
  const modules = join(dir, "node_modules");
  await mkdir(join(modules, "openclaw"), { recursive: true });
  await mkdir(join(modules, "json5"), { recursive: true });
  await writeFile(join(modules, "openclaw", "package.json"), JSON.stringify({ version: "2026.9.6" }));
  await writeFile(join(modules, "openclaw", "openclaw.mjs"), `await import(${JSON.stringify(GATEWAY)});\n`);
  await writeFile(join(modules, "json5", "index.js"), "exports.parse = JSON.parse;\n");
  const env = { OPENCLAW_DIR: dir, KILOCLAW_LISTEN_HOST: "127.0.0.1" };
  return { kind: "process", image: { command: [process.execPath, CONTROLLER], env } };
}
