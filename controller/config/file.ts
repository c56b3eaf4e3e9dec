import { mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { readSmallFile, replaceFile } from "../files.ts";
import { errorText } from "../log.ts";
import { cleanObject, isObject, type JsonObject } from "./json.ts";

/** OpenClaw's own limit for an included file is 2 MB; a bigger one is no configuration. */
const FILE_BYTES_MAX = 4_000_000;
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
        await replaceFile(path, print(change({})), { durable: true });
        return { kind: "written", refusedKeys: [] };
      case "unreadable": {
        const setAside = `${path}.unreadable-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
        await rename(path, setAside);
        await replaceFile(path, print(change({})), { durable: true });
        return { kind: "begun_anew", setAside, reason: current.reason };
      }
      case "read": {
        const { text, value, refusedKeys } = current;
        const next = change(value);
        if (refusedKeys.length === 0 && isDeepStrictEqual(next, value))
          return { kind: "unchanged", refusedKeys };
        // Not a copy by the file system, which would wait for ever where somebody has put a FIFO.
        await replaceFile(`${path}.before-kiloclaw`, text, { durable: true });
        await replaceFile(path, print(next), { durable: true });
        return { kind: "written", refusedKeys };
      }
      default:
        return current satisfies never;
    }
  } catch (error) {
    return { kind: "failed", reason: errorText(error) };
  }
}

/** The names of the channels that a configuration file has and has not switched off; null when it can't be read. */
export async function configuredChannels(
  path: string,
  parse: (text: string) => unknown,
): Promise<readonly string[] | null> {
  const config = await readConfigFile(path, parse);
  return config && channelsIn(config);
}

/** What stands in a configuration file, with prototypes out of reach; null when it can't be read. */
export async function readConfigFile(
  path: string,
  parse: (text: string) => unknown,
): Promise<JsonObject | null> {
  try {
    const current = await read(path, parse);
    if (current.kind === "unreadable") return null;
    return current.kind === "read" ? current.value : {};
  } catch {
    return null;
  }
}

/** The names of the channels that a configuration has and has not switched off. */
export function channelsIn(config: JsonObject): readonly string[] {
  const { channels } = config;
  if (!isObject(channels)) return [];
  // `defaults` and `modelByChannel` are settings of all of them (OpenClaw's docs/gateway/configuration-reference.md).
  return Object.entries(channels)
    .filter(([name, value]) => name !== "defaults" && isObject(value) && value["enabled"] !== false)
    .map(([name]) => name);
}

type Current =
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly reason: string }
  | {
      readonly kind: "read";
      readonly text: string;
      readonly value: JsonObject;
      readonly refusedKeys: readonly string[];
    };

async function read(path: string, parse: (text: string) => unknown): Promise<Current> {
  const file = await readSmallFile(path, { bytesMax: FILE_BYTES_MAX, followLink: true });
  if (file.kind !== "text") return file;
  let parsed: unknown;
  try {
    parsed = parse(file.text);
  } catch (error) {
    return { kind: "unreadable", reason: errorText(error) };
  }
  const cleaned = cleanObject(parsed);
  if (!cleaned.ok) return { kind: "unreadable", reason: `the configuration ${cleaned.reason}` };
  return { kind: "read", text: file.text, value: cleaned.value, refusedKeys: cleaned.refusedKeys };
}

function print(value: JsonObject): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
