import { chmod, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Where everything local lives. All of it is ignored by git, and all but the logs is dropped by `--fresh`. */
export interface LocalPaths {
  readonly dir: string;
  /** Held by the running `start`, so that two of them never share the state. */
  readonly lock: string;
  readonly logs: string;
  readonly secrets: string;
  readonly ready: string;
  readonly postgres: string;
  readonly fly: string;
  /** The Fly of a Worker that is run by hand: its object's storage is another one, and knows nothing of the machines in `fly`. */
  readonly flyOfDev: string;
  /** Variables and secrets for such a Worker. */
  readonly devEnv: string;
  readonly worker: string;
  readonly controller: string;
}

/** The repository's root. */
export const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));

const DEFAULT_DIR = join(REPOSITORY, ".local");

/**
 * Makes the directory of everything local, which others than its owner can't look into. Who runs this as root has a Postgres
 * that may run as another user and must get through it. A directory that a person made elsewhere keeps its rights: what is
 * secret in it is private by itself.
 */
export async function makeLocalDirectory(dir: string): Promise<void> {
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
  await mkdir(dir, { recursive: true, mode });
  if (dir === DEFAULT_DIR) await chmod(dir, mode);
}

/** @param dir another place than the repository's `.local`, relative to the working directory. */
export function localPaths(dir: string | undefined): LocalPaths {
  const root = dir === undefined || dir === "" ? DEFAULT_DIR : resolve(dir);
  return {
    dir: root,
    lock: join(root, "start.lock"),
    logs: join(root, "logs"),
    secrets: join(root, "secrets.json"),
    ready: join(root, "ready.json"),
    postgres: join(root, "postgres"),
    fly: join(root, "fly"),
    flyOfDev: join(root, "fly-dev"),
    devEnv: join(root, "dev.env"),
    worker: join(root, "worker"),
    controller: join(root, "controller.mjs"),
  };
}

/** What `--fresh` deletes: the database, the machines with their volumes, the Worker's storage, and the secrets they share. */
export function statePaths(paths: LocalPaths): string[] {
  return [
    paths.postgres,
    paths.fly,
    paths.flyOfDev,
    paths.devEnv,
    paths.worker,
    paths.secrets,
    paths.ready,
    paths.controller,
  ];
}
