import { cp, lstat, mkdir, rename, rm } from "node:fs/promises";
import { constants } from "node:fs";
import { join } from "node:path";
import type { DiskName, Disks } from "./runtime.ts";

/** Volumes and snapshots as directories under `dataDirectory`, readable by their owner alone. */
export function directoryDisks(dataDirectory: string): Disks & { path(name: DiskName): string } {
  const path = ({ kind, id }: DiskName): string => join(dataDirectory, `${kind}s`, id);
  return {
    path,
    async create(volumeId) {
      await mkdir(path({ kind: "volume", id: volumeId }), { recursive: true, mode: 0o700 });
    },
    async copy(from, to) {
      const temporary = `${path(to)}.copying`;
      await mkdir(join(dataDirectory, `${to.kind}s`), { recursive: true, mode: 0o700 });
      await copyTree(path(from), temporary);
      await rm(path(to), { recursive: true, force: true });
      await rename(temporary, path(to));
    },
    async remove(name) {
      await rm(path(name), { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

const copyTriesMax = 3;

/** A machine may be writing into `from`: when a file vanishes while it is copied, the copy is begun again. */
async function copyTree(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await rm(to, { recursive: true, force: true });
    try {
      await cp(from, to, {
        recursive: true,
        verbatimSymlinks: true,
        preserveTimestamps: true,
        mode: constants.COPYFILE_FICLONE,
        filter: async (source) => {
          const entry = await lstat(source);
          return entry.isFile() || entry.isDirectory() || entry.isSymbolicLink();
        },
      });
      return;
    } catch (error) {
      const vanished = error instanceof Error && "code" in error && error.code === "ENOENT";
      if (!vanished || attempt === copyTriesMax) throw error;
    }
  }
}
