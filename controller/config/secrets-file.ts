import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { replaceFile } from "../files.ts";
import { SECRET_VARIABLES } from "./references.ts";

/**
 * The file from which OpenClaw 2026.9 reads the secrets, so that others can be put there while it runs. It stands in a private
 * directory on the machine's own disk, which does not outlive the machine, and never on the volume, of which there are
 * snapshots.
 */
export async function writeSecretsFile(
  path: string,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const secrets = SECRET_VARIABLES.flatMap((name) => {
    const value = variables[name];
    return value === undefined || value === "" ? [] : [[name, value] as const];
  });
  await replaceFile(path, JSON.stringify(Object.fromEntries(secrets)), { durable: false });
}

/**
 * Makes the directory anew, without what a controller that was killed left in it. Throws where it can't be had for us alone:
 * whoever made it could read what comes into it.
 */
export async function makeSecretsDirectory(path: string): Promise<void> {
  await removeSecretsDirectory(path);
  await mkdir(dirname(path), { mode: 0o700 });
}

export async function removeSecretsDirectory(path: string): Promise<void> {
  await rm(dirname(path), { recursive: true, force: true });
}
