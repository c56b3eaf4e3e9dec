import type { Cloud } from "./cloud.ts";
import type {
  App,
  FlyState,
  Machine,
  MachineConfig,
  MachineEvent,
  Snapshot,
  Volume,
  VolumeState,
} from "./model.ts";

/** A machine as Fly shows it (fly-machines-api.md §3.1). */
export type MachineView = {
  id: string;
  name: string;
  state: FlyState;
  region: string;
  image_ref: { registry: string; repository: string; tag?: string; digest: string; labels: null };
  instance_id: string;
  version: string;
  private_ip: string;
  created_at: string;
  updated_at: string;
  config?: MachineConfig & { dns: object };
  incomplete_config?: null;
  events: MachineEvent[];
  checks: [];
  host_status: "ok" | "unreachable";
  cordoned: boolean;
};

/** A machine as Fly shows it (fly-machines-api.md §3.1), in a state that may be one of the past, as in a list that is behind. */
export function viewOfMachine(machine: Machine, state: FlyState): MachineView {
  const isAway = machine.host.status !== "ok";
  const view: MachineView = {
    id: machine.id,
    name: machine.name,
    state,
    region: machine.region,
    image_ref: imageOf(machine.config.image),
    instance_id: machine.instanceId,
    version: machine.instanceId,
    private_ip: "fdaa:9:d844:a7b:e:33bd:e8b1:2",
    created_at: isoOf(machine.createdAt),
    updated_at: isoOf(machine.updatedAt),
    events: machine.events,
    checks: [],
    host_status: isAway ? "unreachable" : "ok",
    cordoned: false,
  };
  // Its config is on the host that can't be asked (§5.2).
  if (!isAway) view.config = { ...machine.config, dns: {} };
  return view;
}

/** A volume as Fly shows it (fly-machines-api.md §6.1). */
export type VolumeView = ReturnType<typeof viewOfVolume>;

/** A volume as Fly shows it (fly-machines-api.md §6.1), in a state that may be one of the past. */
export function viewOfVolume(cloud: Cloud, volume: Volume, state: VolumeState) {
  const blocks = volume.mounted ? 2_580_480 : 0;
  return {
    id: volume.id,
    name: volume.name,
    state,
    size_gb: volume.sizeGb,
    region: volume.region,
    zone: zoneOf(volume.host.id),
    encrypted: true,
    attached_machine_id: cloud.holderOf(volume),
    attached_alloc_id: null,
    created_at: isoOf(volume.createdAt),
    blocks,
    block_size: blocks === 0 ? 0 : 4_096,
    blocks_free: blocks,
    blocks_avail: blocks,
    bytes_used: volume.mounted ? 36_007_729 : 0,
    bytes_total: blocks * 4_096,
    fstype: volume.mounted ? "ext4" : "",
    snapshot_retention: 5,
    auto_backup_enabled: true,
    host_status: volume.host.status === "ok" ? ("ok" as const) : ("unreachable" as const),
    type: "local" as const,
    host_dedication_key: "",
  };
}

export type SnapshotView = ReturnType<typeof viewOfSnapshot>;

/** A snapshot as Fly shows it (fly-machines-api.md §6.2): `created` once it is ready to be restored. `now` in milliseconds. */
export function viewOfSnapshot(snapshot: Snapshot, now: number) {
  return {
    id: snapshot.id,
    size: 36_007_729,
    volume_size: 10_737_418_240,
    digest: "76d6000000000000000000000000000000000000-1",
    created_at: isoOf(snapshot.createdAt),
    status: now >= snapshot.readyAt ? "created" : "pending",
    retention_days: 5,
  };
}

export type AppView = ReturnType<typeof viewOfApp>;

/** An app as Fly shows it (fly-machines-api.md §2.2); `network` is what tells whose it is. */
export function viewOfApp(app: App) {
  return {
    id: app.id,
    name: app.name,
    internal_numeric_id: 1,
    network: app.network,
    status: app.machines.size === 0 ? "pending" : "deployed",
    machine_count: [...app.machines.values()].filter(({ state }) => state !== "destroyed").length,
    volume_count: app.volumes.size,
    organization: { name: app.orgSlug, slug: app.orgSlug, internal_numeric_id: 1 },
  };
}

const DIGEST = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

function imageOf(image: string): MachineView["image_ref"] {
  const [path = "", digest = DIGEST] = image.split("@");
  const slash = path.indexOf("/");
  const colon = path.lastIndexOf(":");
  const hasTag = colon > slash;
  return {
    registry: slash < 0 ? "" : path.slice(0, slash),
    repository: path.slice(slash + 1, hasTag ? colon : undefined),
    ...(hasTag ? { tag: path.slice(colon + 1) } : {}),
    digest,
    labels: null,
  };
}

/** Four hex characters that name the host. */
function zoneOf(hostId: string): string {
  let sum = 0;
  for (const char of hostId) sum = (sum * 31 + char.charCodeAt(0)) & 0xff_ff;
  return sum.toString(16).padStart(4, "0");
}

const isoCache = new Map<number, string>();
const ISO_CACHE_MAX = 4_096;

/** Dates are dear, and lives ask for the same few again and again. */
function isoOf(instant: number): string {
  const at = Math.round(instant);
  const known = isoCache.get(at);
  if (known !== undefined) return known;
  if (isoCache.size >= ISO_CACHE_MAX) isoCache.clear();
  const text = new Date(at).toISOString();
  isoCache.set(at, text);
  return text;
}
