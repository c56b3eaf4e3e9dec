import { open, readFile, rename, truncate, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { messageOf, type Log } from "../log.ts";
import { appSchema, machineSchema, snapshotSchema, volumeSchema } from "./model.ts";
import { Store, type Kind } from "./store.ts";

/** The store with its copy on disk. */
export interface StateOnDisk {
  store: Store;
  /** Resolves when every change made so far is on disk; rejects if it cannot be written. */
  saved: () => Promise<void>;
  /** Writes everything down and lets go of the files. */
  close: () => Promise<void>;
}

/**
 * Opens the state kept in `directory`: `state.json`, written whole and renamed into place, and `state.log` with
 * one line per row changed since, so that a change costs the same with ten machines as with ten thousand.
 * Throws, and leaves the files as they are, if they cannot be read as what they should be.
 */
export async function openState(directory: string, log: Log): Promise<StateOnDisk> {
  const writer = new Writer(join(directory, "state.json"), join(directory, "state.log"), log);
  await load(writer);
  await writer.compact();
  return { store: writer.store, saved: () => writer.saved(), close: () => writer.close() };
}

/** The log is folded into `state.json` when it has grown past this, or past the size of `state.json`. */
const logBytesMin = 4 * 1024 * 1024;

const documentSchema = z.object({
  version: z.literal(1),
  apps: z.array(appSchema),
  machines: z.array(machineSchema),
  volumes: z.array(volumeSchema),
  snapshots: z.array(snapshotSchema),
});

const entrySchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("app"), key: z.string(), row: appSchema.nullable() }),
  z.object({ kind: z.literal("machine"), key: z.string(), row: machineSchema.nullable() }),
  z.object({ kind: z.literal("volume"), key: z.string(), row: volumeSchema.nullable() }),
  z.object({ kind: z.literal("snapshot"), key: z.string(), row: snapshotSchema.nullable() }),
]);

class Writer {
  readonly store: Store;
  readonly documentPath: string;
  readonly logPath: string;
  readonly #log: Log;
  /** Rows changed since the last write; several changes of a row are one. */
  readonly #changed = new Map<string, { kind: Kind; key: string }>();
  #logFile: FileHandle | undefined;
  #logBytes = 0;
  /** A write failed part way: the log may end in half a line, and the next write starts it afresh. */
  #logIsTorn = false;
  #documentBytes = 0;
  #writing: Promise<void> | undefined;
  /** False while the rows are being read in, which must not be written back. */
  #recording = false;

  constructor(documentPath: string, logPath: string, log: Log) {
    this.documentPath = documentPath;
    this.logPath = logPath;
    this.#log = log;
    this.store = new Store(({ kind, key }) => this.#changedRow(kind, key));
  }

  async saved(): Promise<void> {
    while (this.#recording && (this.#changed.size > 0 || this.#writing !== undefined)) {
      await (this.#writing ?? this.#startWriting());
    }
  }

  /** Writes the whole state and empties the log. A crash in between replays rows that are there already. */
  async compact(): Promise<void> {
    const text = JSON.stringify({
      version: 1,
      apps: [...this.store.apps.values()],
      machines: [...this.store.machines.values()],
      volumes: [...this.store.volumes.values()],
      snapshots: [...this.store.snapshots.values()],
    });
    await replaceFile(this.documentPath, text);
    this.#documentBytes = text.length;
    this.#logFile ??= await open(this.logPath, "a", 0o600);
    await truncate(this.logPath);
    this.#logBytes = 0;
    this.#logIsTorn = false;
    this.#recording = true;
  }

  async close(): Promise<void> {
    await this.saved();
    await this.compact();
    // Whatever still changes belongs to work that was cut off, and is gone on with from what is on disk.
    this.#recording = false;
    await this.#logFile?.close();
    this.#logFile = undefined;
  }

  #changedRow(kind: Kind, key: string): void {
    if (!this.#recording) return;
    this.#changed.set(`${kind}:${key}`, { kind, key });
    // At the end of the current turn, so that the changes of one step are one write.
    if (this.#writing === undefined) {
      this.#startWriting().catch((error: unknown) => {
        this.#log({ kind: "problem", message: `The state cannot be written: ${messageOf(error)}` });
      });
    }
  }

  #startWriting(): Promise<void> {
    const writing = this.#writeChanges().finally(() => {
      this.#writing = undefined;
    });
    this.#writing = writing;
    return writing;
  }

  async #writeChanges(): Promise<void> {
    await Promise.resolve();
    while (this.#changed.size > 0 && this.#logFile !== undefined) {
      if (this.#logIsTorn) await this.compact();
      const batch = [...this.#changed.values()];
      this.#changed.clear();
      const lines = batch.map(({ kind, key }) => this.#line(kind, key)).join("");
      try {
        await this.#logFile.appendFile(lines);
      } catch (error) {
        this.#logIsTorn = true;
        for (const entry of batch) this.#changed.set(`${entry.kind}:${entry.key}`, entry);
        throw error;
      }
      this.#logBytes += lines.length;
      if (this.#logBytes > Math.max(logBytesMin, this.#documentBytes)) await this.compact();
    }
  }

  #line(kind: Kind, key: string): string {
    return `${JSON.stringify({ kind, key, row: this.#row(kind, key) ?? null })}\n`;
  }

  #row(kind: Kind, key: string): unknown {
    switch (kind) {
      case "app":
        return this.store.apps.get(key);
      case "machine":
        return this.store.machines.get(key);
      case "volume":
        return this.store.volumes.get(key);
      case "snapshot":
        return this.store.snapshots.get(key);
      default:
        return kind satisfies never;
    }
  }
}

async function load({ store, documentPath, logPath }: Writer): Promise<void> {
  const text = await readIfPresent(documentPath);
  if (text !== undefined) {
    const document = parse(documentSchema, text, documentPath);
    for (const app of document.apps) store.apps.put(app);
    for (const machine of document.machines) store.machines.put(machine);
    for (const volume of document.volumes) store.volumes.put(volume);
    for (const snapshot of document.snapshots) store.snapshots.put(snapshot);
  }
  const lines = ((await readIfPresent(logPath)) ?? "").split("\n");
  // What follows the last newline was being written when the process died: nobody was told it had happened.
  for (const [index, line] of lines.slice(0, -1).entries()) {
    apply(store, parse(entrySchema, line, `${logPath}, line ${index + 1}`));
  }
}

function apply(store: Store, entry: z.infer<typeof entrySchema>): void {
  switch (entry.kind) {
    case "app":
      return entry.row === null ? store.apps.delete(entry.key) : void store.apps.put(entry.row);
    case "machine":
      return entry.row === null ? store.machines.delete(entry.key) : void store.machines.put(entry.row);
    case "volume":
      return entry.row === null ? store.volumes.delete(entry.key) : void store.volumes.put(entry.row);
    case "snapshot":
      return entry.row === null ? store.snapshots.delete(entry.key) : void store.snapshots.put(entry.row);
    default:
      return entry satisfies never;
  }
}

function parse<T>(schema: z.ZodType<T>, text: string, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`The stored state is not JSON (${where}); it is left as it is.`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Error(
    `The stored state cannot be read (${where}); it is left as it is: ${z.prettifyError(parsed.error)}`,
  );
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
