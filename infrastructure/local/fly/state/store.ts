import type { App, Machine, Snapshot, Volume } from "./model.ts";
import { Table } from "./table.ts";

/** The kinds of rows, by the names they have on disk. */
export interface Rows {
  app: App;
  machine: Machine;
  volume: Volume;
  snapshot: Snapshot;
}
export type Kind = keyof Rows;

/** A row that was put or deleted, as it was before; undefined if it is new. */
export type Change = {
  [Name in Kind]: { kind: Name; key: string; before: Rows[Name] | undefined };
}[Kind];

/** All that the cloud knows, in memory: pure state, no time and no disk. */
export class Store {
  readonly apps: Table<App>;
  readonly machines: Table<Machine>;
  readonly volumes: Table<Volume>;
  readonly snapshots: Table<Snapshot>;
  readonly #watchers = new Set<(change: Change) => void>();

  /** `onChange` hears of each row that is put or deleted, in order. */
  constructor(onChange: (change: Change) => void = () => undefined) {
    this.#watchers.add(onChange);
    this.apps = new Table(
      { keyOf: (app) => app.name, indexesOf: (app) => [inOrg(app.orgSlug)] },
      (key, before) => this.#announce({ kind: "app", key, before }),
    );
    this.machines = new Table({ keyOf: (machine) => machine.id, indexesOf: machineIndexes }, (key, before) =>
      this.#announce({ kind: "machine", key, before }),
    );
    this.volumes = new Table(
      { keyOf: (volume) => volume.id, indexesOf: (volume) => [inApp(volume.app)] },
      (key, before) => this.#announce({ kind: "volume", key, before }),
    );
    this.snapshots = new Table(
      {
        keyOf: (snapshot) => snapshot.id,
        indexesOf: (snapshot) => [ofVolume(snapshot.volumeId), inApp(snapshot.app)],
      },
      (key, before) => this.#announce({ kind: "snapshot", key, before }),
    );
  }

  /** Calls `watcher` at each change of any row, at once; the returned function ends it. */
  watch(watcher: (change: Change) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #announce(change: Change): void {
    for (const watcher of this.#watchers) watcher(change);
  }
}

/** Index entry: everything of one app. */
export const inApp = (app: string): string => `app:${app}`;
/** Index entry: apps of one organization. */
export const inOrg = (orgSlug: string): string => `org:${orgSlug}`;
/** Index entry: the machine that holds a name in its app. A destroyed machine holds none. */
export const namedInApp = (app: string, name: string): string => `name:${app}:${name}`;
/** Index entry: machines of an app with this metadata. */
export const withMetadata = (app: string, key: string, value: string): string =>
  `metadata:${JSON.stringify([app, key, value])}`;
/** Index entry: snapshots of a volume. */
export const ofVolume = (volumeId: string): string => `volume:${volumeId}`;

function* machineIndexes(machine: Machine): Iterable<string> {
  yield inApp(machine.app);
  if (machine.state !== "destroyed") yield namedInApp(machine.app, machine.name);
  for (const [key, value] of Object.entries(machine.config.metadata ?? {})) {
    yield withMetadata(machine.app, key, value);
  }
}
