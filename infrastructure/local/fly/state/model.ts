import { z } from "zod";
import { machineConfigSchema } from "./config.ts";

const epochMs = z.number();
const text = z.string();

export const machineStateSchema = z.enum([
  "created",
  "starting",
  "started",
  "stopping",
  "stopped",
  "restarting",
  "suspending",
  "suspended",
  "replacing",
  "destroying",
  "destroyed",
  "failed",
]);
export type MachineState = z.infer<typeof machineStateSchema>;

const exitEvent = z.object({
  requested_stop: z.boolean(),
  restarting: z.boolean(),
  guest_exit_code: z.number(),
  guest_signal: z.number(),
  guest_error: text,
  exit_code: z.number(),
  signal: z.number(),
  error: text,
  oom_killed: z.boolean(),
  exited_at: epochMs,
});

const machineEventSchema = z.object({
  id: text,
  type: text,
  status: text,
  source: z.enum(["user", "flyd", "proxy"]),
  timestamp: epochMs,
  request: z
    .union([
      z.object({ exit_event: exitEvent, restart_count: z.number() }),
      z.object({ migrated: z.literal(true) }),
    ])
    .nullable(),
});
export type MachineEvent = z.infer<typeof machineEventSchema>;
export type ExitEvent = z.infer<typeof exitEvent>;

const leaseSchema = z.object({
  nonce: text,
  /** Unix seconds. */
  expiresAt: z.number(),
  owner: text,
  description: text,
  version: text,
});
export type Lease = z.infer<typeof leaseSchema>;

const imageRefSchema = z.object({
  registry: text,
  repository: text,
  tag: text.optional(),
  digest: text,
});
export type ImageRef = z.infer<typeof imageRefSchema>;

export const machineSchema = z.object({
  id: text,
  app: text,
  name: text,
  region: text,
  state: machineStateSchema,
  /** Where the cloud is taking the machine; after a restart of the local Fly it goes on from here. */
  target: z.enum(["created", "started", "stopped", "suspended", "destroyed"]),
  /** The image is there: a machine in state `created` can be started. */
  prepared: z.boolean(),
  instanceId: text,
  imageRef: imageRefSchema,
  privateIp: text,
  createdAt: epochMs,
  updatedAt: epochMs,
  destroyedAt: epochMs.optional(),
  config: machineConfigSchema,
  /** The app's secrets as they were when this version was made: later ones wait for the next update. */
  secrets: z.record(z.string(), text),
  cordoned: z.boolean(),
  /** Newest first, bounded. */
  events: z.array(machineEventSchema),
  /** Newest first, bounded; the first is the current one. */
  versions: z.array(z.object({ version: text, config: machineConfigSchema })),
  /** When the machine was started again after a crash, within the window that the restart policy counts. */
  restarts: z.array(epochMs),
  lease: leaseSchema.optional(),
});
export type Machine = z.infer<typeof machineSchema>;

export const volumeSchema = z.object({
  id: text,
  app: text,
  name: text,
  state: z.enum(["created", "restoring", "enabling_remote_export", "hydrating", "pending_destroy", "failed"]),
  /** What the data are still being copied from. */
  copyOf: z.object({ kind: z.enum(["volume", "snapshot"]), id: text }).optional(),
  sizeGb: z.number(),
  region: text,
  zone: text,
  encrypted: z.boolean(),
  fstype: text,
  attachedMachineId: text.nullable(),
  createdAt: epochMs,
  /** When a machine first ran on it. */
  mountedAt: epochMs.optional(),
  deletedAt: epochMs.optional(),
  snapshotRetention: z.number(),
  autoBackupEnabled: z.boolean(),
});
export type Volume = z.infer<typeof volumeSchema>;

export const snapshotSchema = z.object({
  id: text,
  volumeId: text,
  app: text,
  status: z.enum(["running", "created", "failed"]),
  sizeGb: z.number(),
  createdAt: epochMs,
  retentionDays: z.number(),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

export const appSchema = z.object({
  id: text,
  numericId: z.number(),
  name: text,
  orgSlug: text,
  network: text,
  createdAt: epochMs,
  /** On its way out with all that is in it; nothing new gets in. */
  isDeleting: z.boolean(),
  secretsVersion: z.number(),
  secrets: z.record(
    z.string(),
    z.object({ value: text, digest: text, createdAt: epochMs, updatedAt: epochMs }),
  ),
  ips: z.array(
    z.object({ ip: text, region: text, serviceName: text, shared: z.boolean(), createdAt: epochMs }),
  ),
});
export type App = z.infer<typeof appSchema>;
