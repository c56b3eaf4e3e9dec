import type { App, Lease, Machine, Snapshot, Volume } from "../state/model.ts";

/** A machine as the API shows it (contracts/fly-machines-api §3.1). */
export function machineView(machine: Machine, nonce?: string): Record<string, unknown> {
  return {
    ...summaryView(machine),
    config: machine.config,
    events: machine.events,
    checks: [],
    host_status: "ok",
    cordoned: machine.cordoned,
    ...(nonce === undefined ? {} : { nonce }),
  };
}

/** What `?summary` leaves of a machine. */
export function summaryView(machine: Machine): Record<string, unknown> {
  return {
    id: machine.id,
    name: machine.name,
    state: machine.state,
    region: machine.region,
    image_ref: { ...machine.imageRef, labels: {} },
    instance_id: machine.instanceId,
    version: machine.instanceId,
    private_ip: machine.privateIp,
    created_at: rfc3339(machine.createdAt),
    updated_at: rfc3339(machine.updatedAt),
  };
}

/** A machine as the list of a whole organization shows it. */
export function orgMachineView(machine: Machine, summary: boolean): Record<string, unknown> {
  const { image, guest, metadata } = machine.config;
  return {
    id: machine.id,
    app_name: machine.app,
    name: machine.name,
    state: machine.state,
    region: machine.region,
    instance_id: machine.instanceId,
    version: machine.instanceId,
    private_ip: machine.privateIp,
    created_at: rfc3339(machine.createdAt),
    updated_at: rfc3339(machine.updatedAt),
    ...(summary ? {} : { config: { image, guest, metadata: metadata ?? {} } }),
  };
}

/** What a fresh ext4 file system takes for itself: 32 MiB. More than that is not counted. */
const blocksUsedMin = 8192;

/** A volume as the API shows it (contracts/fly-machines-api §6.1). */
export function volumeView(volume: Volume): Record<string, unknown> {
  const blockSize = 4096;
  // Fly does not know a volume's numbers before a machine has mounted it.
  const isMounted = volume.mountedAt !== undefined;
  const blocks = isMounted ? Math.floor((volume.sizeGb * 1024 ** 3) / blockSize) : 0;
  const blocksUsed = isMounted ? blocksUsedMin : 0;
  return {
    id: volume.id,
    name: volume.name,
    state: volume.state,
    size_gb: volume.sizeGb,
    region: volume.region,
    zone: volume.zone,
    encrypted: volume.encrypted,
    attached_machine_id: volume.attachedMachineId,
    attached_alloc_id: null,
    created_at: rfc3339(volume.createdAt),
    blocks,
    block_size: blockSize,
    blocks_free: blocks - blocksUsed,
    blocks_avail: blocks - blocksUsed,
    bytes_used: blocksUsed * blockSize,
    bytes_total: blocks * blockSize,
    fstype: volume.fstype,
    snapshot_retention: volume.snapshotRetention,
    auto_backup_enabled: volume.autoBackupEnabled,
    host_status: "ok",
    type: "local",
    host_dedication_key: "",
  };
}

/** A snapshot as on the wire; sizes are in bytes. */
export function snapshotView(snapshot: Snapshot): Record<string, unknown> {
  return {
    id: snapshot.id,
    status: snapshot.status,
    size: 0,
    volume_size: snapshot.sizeGb * 1024 ** 3,
    digest: snapshot.id,
    created_at: rfc3339(snapshot.createdAt),
    retention_days: snapshot.retentionDays,
  };
}

/** An app as on the wire, with the numbers of its machines and volumes. */
export function appView(app: App, counts: { machines: number; volumes: number }): Record<string, unknown> {
  return {
    id: app.id,
    name: app.name,
    internal_numeric_id: app.numericId,
    network: app.network,
    status: counts.machines > 0 ? "deployed" : "pending",
    machine_count: counts.machines,
    volume_count: counts.volumes,
    organization: { name: app.orgSlug, slug: app.orgSlug, internal_numeric_id: 1 },
  };
}

/** A lease as on the wire; its nonce is told to whoever may ask for it at all. */
export function leaseView(lease: Lease): Record<string, unknown> {
  return {
    status: "success",
    data: {
      nonce: lease.nonce,
      expires_at: lease.expiresAt,
      owner: lease.owner,
      description: lease.description,
      version: lease.version,
    },
  };
}

/** An address of an app as on the wire. */
export function ipView(ip: App["ips"][number]): Record<string, unknown> {
  return {
    ip: ip.ip,
    region: ip.region,
    service_name: ip.serviceName,
    shared: ip.shared,
    created_at: rfc3339(ip.createdAt),
  };
}

/** A secret as on the wire, with its value only where that is asked for; undefined where the app has none of the name. */
export function secretView(app: App, name: string, showValue: boolean): Record<string, unknown> | undefined {
  const secret = app.secrets[name];
  if (secret === undefined) return undefined;
  return {
    name,
    digest: secret.digest,
    ...(showValue ? { value: secret.value } : {}),
    created_at: rfc3339(secret.createdAt),
    updated_at: rfc3339(secret.updatedAt),
  };
}

function rfc3339(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
