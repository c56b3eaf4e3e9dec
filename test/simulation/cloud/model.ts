import type { Cancel } from "../clock.ts";
import type { EnvManner, ToldSettings } from "./program.ts";

/** States that the simulated machines have (docs: machines/machine-states); `updating` is shown as `replacing` (§5.2). */
export type FlyState =
  | "created"
  | "starting"
  | "started"
  | "stopping"
  | "stopped"
  | "replacing"
  | "failed"
  | "destroying"
  | "destroyed";

export type VolumeState =
  | "creating"
  | "restoring"
  | "hydrating"
  | "created"
  | "pending_destroy"
  | "destroyed";

/** Something a machine wrote to its volume. A volume's content is its latest, with all that it was written on top of. */
export type Writing = { parent: Writing | null; depth: number };

export type Host = {
  id: string;
  region: string;
  /** `lost` hosts never come back: Fly has given up what was on them. */
  status: "ok" | "unreachable" | "lost";
  full: boolean;
};

export type MachineConfig = {
  image: string;
  env?: Record<string, string> | undefined;
  guest?:
    | { cpu_kind?: string | undefined; cpus?: number | undefined; memory_mb?: number | undefined }
    | undefined;
  mounts?: { volume: string; path: string }[] | undefined;
  metadata?: Record<string, string> | undefined;
};

export type MachineBody = {
  name?: string | undefined;
  region?: string | undefined;
  config: MachineConfig;
  skip_launch?: boolean | undefined;
  min_secrets_version?: number | undefined;
  current_version?: string | undefined;
};

export type VolumeBody = {
  name: string;
  region?: string | undefined;
  size_gb?: number | undefined;
  snapshot_id?: string | undefined;
  source_volume_id?: string | undefined;
};

/** How the program in a machine behaves towards whoever asks it. */
type Controller =
  | { kind: "normal" }
  | { kind: "silent" }
  | { kind: "degraded" }
  | { kind: "slow" }
  | { kind: "crashing" };

type Shown<State> = { at: number; state: State }[];

export type MachineEvent = {
  id: string;
  type: string;
  status: string;
  source: "user" | "flyd";
  timestamp: number;
  request: object | null;
};

export type Machine = {
  id: string;
  app: App;
  name: string;
  region: string;
  host: Host;
  volume: Volume | null;
  config: MachineConfig;
  state: FlyState;
  /** What it was at which instant, for lists that are behind. */
  shown: Shown<FlyState>;
  instanceId: string;
  createdAt: number;
  updatedAt: number;
  /** A GET by id answers 404 before. */
  visibleAt: number;
  /** Lists leave it out before. */
  listedAt: number;
  /** From when on nobody finds it any more, also by its id. */
  forgottenAt: number;
  events: MachineEvent[];
  lease: { holder: string; until: number } | null;
  /** `soft` ends with a forced destroy, `hard` keeps even that from finishing. */
  stuck: "no" | "soft" | "hard";
  change: Cancel;
  /** A change that is due but kept back, by a wedge or by a host that is away. */
  held: (() => void) | null;
  readyAt: number;
  controller: Controller;
  /** Whether its environment opened at its last start with the keys that its app had then. */
  isOpened: boolean;
  program: {
    manner: EnvManner;
    /** The newest settings that the controller knows of, and what the gateway uses; null before they began. */
    told: ToldSettings | null;
    inUse: Record<string, string> | null;
  };
  /** Made by the instance that is simulated, and not by a neighbour. */
  ours: boolean;
  /** It was the instance's until that was destroyed by force, and nobody cares for it. */
  forgotten: boolean;
};

export type Volume = {
  id: string;
  app: App;
  name: string;
  region: string;
  host: Host;
  sizeGb: number;
  state: VolumeState;
  shown: Shown<VolumeState>;
  createdAt: number;
  visibleAt: number;
  listedAt: number;
  /** The machine that mounts it, up or down. */
  machine: Machine | null;
  /** For a while after its machine is gone, Fly still takes it for bound, at times to characters that are no id. */
  bound: { to: string; until: number } | null;
  /** Its content; null until a machine wrote to it. */
  writing: Writing | null;
  mounted: boolean;
  /** Settings that a controller was given while it ran, and kept. */
  kept: ToldSettings | null;
  /** Whether a machine ran on it; a copy on which none did may still turn out to be of no use. */
  proven: boolean;
  /** Its host could not be reached at some time. */
  wasAway: boolean;
  ours: boolean;
  forgotten: boolean;
};

export type Snapshot = {
  id: string;
  volumeId: string;
  createdAt: number;
  readyAt: number;
  writing: Writing | null;
  kept: ToldSettings | null;
};

export type App = {
  name: string;
  id: string;
  orgSlug: string;
  network: string;
  createdAt: number;
  /** From when on nobody finds it any more; infinite while it is kept. */
  goneAt: number;
  forgotten: boolean;
  machines: Map<string, Machine>;
  volumes: Map<string, Volume>;
  /** By volume, also of volumes that are gone. */
  snapshots: Map<string, Snapshot[]>;
  addresses: { ip: string; shared: boolean; createdAt: number }[];
  secrets: Map<string, string>;
  secretsVersion: number;
  /** From when on hosts see the newest secrets. */
  secretsSeenAt: number;
};

/** Whether the volume can no longer be mounted (§6.2 lists more states; the simulated cloud has these). */
export function isGone({ state }: Volume): boolean {
  return state === "pending_destroy" || state === "destroyed";
}

/** Whether what `older` holds is part of what `newer` holds. */
export function contains(newer: Writing | null, older: Writing | null): boolean {
  if (older === null) return true;
  let at = newer;
  while (at !== null && at.depth > older.depth) at = at.parent;
  return at === older;
}
