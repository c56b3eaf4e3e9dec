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

/** All that the cloud knows, in memory: pure state, no time and no disk. */
export class Store {
  readonly apps: Table<App>;
  readonly machines: Table<Machine>;
  readonly volumes: Table<Volume>;
  readonly snapshots: Table<Snapshot>;

  /** `onChange` hears of each row that is put or deleted, in order. */
  constructor(onChange: (kind: Kind, key: string) => void) {
    this.apps = new Table({ keyOf: (app) => app.name, indexesOf: (app) => [inOrg(app.orgSlug)] }, (key) =>
      onChange("app", key),
    );
    this.machines = new Table({ keyOf: (machine) => machine.id, indexesOf: machineIndexes }, (key) =>
      onChange("machine", key),
    );
    this.volumes = new Table(
      { keyOf: (volume) => volume.id, indexesOf: (volume) => [inApp(volume.app)] },
      (key) => onChange("volume", key),
    );
    this.snapshots = new Table(
      {
        keyOf: (snapshot) => snapshot.id,
        indexesOf: (snapshot) => [ofVolume(snapshot.volumeId), inApp(snapshot.app)],
      },
      (key) => onChange("snapshot", key),
    );
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
