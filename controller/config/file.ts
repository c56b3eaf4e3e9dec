import { constants } from "node:fs";
import { chmod, copyFile, mkdir, open, rename, rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { errorText } from "../log.ts";
import { cleanObject, type JsonObject } from "./json.ts";

/** OpenClaw's own limit for an included file is 2 MB; a bigger one is no configuration. */
const FILE_BYTES_MAX = 4_000_000;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

export type WriteOutcome =
  | { readonly kind: "unchanged"; readonly refusedKeys: readonly string[] }
  | { readonly kind: "written"; readonly refusedKeys: readonly string[] }
  /** The file could not be read as a configuration; it stands under `setAside`, and a new one was begun. */
  | { readonly kind: "begun_anew"; readonly setAside: string; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string };

/**
 * Brings a configuration file up to date: `change` is given what stands in it, and its result replaces it if
 * it differs. The replacement is atomic and durable, the mode is 0600, and the previous file stays beside it
 * as `<name>.before-kiloclaw`. A file that cannot be read is set aside under a name with the time, never lost.
 *
 * @param parse reads the file's text (JSON5, as OpenClaw does); throws when it is none
 */
export async function updateConfigFile(
  path: string,
  parse: (text: string) => unknown,
  change: (user: JsonObject) => JsonObject,
): Promise<WriteOutcome> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    const current = await read(path, parse);
    switch (current.kind) {
      case "absent":
        await replace(path, change({}));
        return { kind: "written", refusedKeys: [] };
      case "unreadable": {
        const setAside = `${path}.unreadable-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
        await rename(path, setAside);
        await replace(path, change({}));
        return { kind: "begun_anew", setAside, reason: current.reason };
      }
      case "read": {
        const { value, refusedKeys } = current;
        const next = change(value);
        if (refusedKeys.length === 0 && isDeepStrictEqual(next, value))
          return { kind: "unchanged", refusedKeys };
        const previous = `${path}.before-kiloclaw`;
        await copyFile(path, previous);
        // Channel tokens of the user's own may stand in it.
        await chmod(previous, FILE_MODE);
        await replace(path, next);
        return { kind: "written", refusedKeys };
      }
      default:
        return current satisfies never;
    }
  } catch (error) {
    return { kind: "failed", reason: errorText(error) };
  }
}

type Current =
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly reason: string }
  | { readonly kind: "read"; readonly value: JsonObject; readonly refusedKeys: readonly string[] };

async function read(path: string, parse: (text: string) => unknown): Promise<Current> {
  const text = await readBounded(path);
  if (text.kind !== "text") return text;
  let parsed: unknown;
  try {
    parsed = parse(text.text);
  } catch (error) {
    return { kind: "unreadable", reason: errorText(error) };
  }
  const cleaned = cleanObject(parsed);
  if (!cleaned.ok) return { kind: "unreadable", reason: `the configuration ${cleaned.reason}` };
  return { kind: "read", value: cleaned.value, refusedKeys: cleaned.refusedKeys };
}

async function readBounded(
  path: string,
): Promise<{ kind: "absent" } | { kind: "unreadable"; reason: string } | { kind: "text"; text: string }> {
  let file;
  try {
    // O_NONBLOCK: a FIFO in the file's place must not hold the boot.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return { kind: "absent" };
    throw error;
  }
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return { kind: "unreadable", reason: "it is not a regular file" };
    if (stats.size > FILE_BYTES_MAX) return { kind: "unreadable", reason: `it has ${stats.size} bytes` };
    return { kind: "text", text: await file.readFile("utf8") };
  } finally {
    await file.close();
  }
}

async function replace(path: string, value: JsonObject): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.openclaw.json.${randomUUID()}.tmp`);
  try {
    const file = await open(temporary, "wx", FILE_MODE);
    try {
      await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
