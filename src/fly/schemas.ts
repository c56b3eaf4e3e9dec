import { z } from "zod";

/** Fly may add fields and enum values at any time, so objects are loose and unknown states are strings. */
const exitEventSchema = z.object({
  requested_stop: z.boolean().optional(),
  exit_code: z.number().optional(),
  signal: z.number().optional(),
  oom_killed: z.boolean().optional(),
  error: z.string().optional(),
});

const machineEventSchema = z.object({
  type: z.string(),
  status: z.string().optional(),
  timestamp: z.number().optional(),
  request: z.object({ exit_event: exitEventSchema.optional() }).nullish().catch(null),
});

const machineConfigSchema = z.object({
  env: z.record(z.string(), z.string()).nullish(),
  guest: z
    .object({
      cpu_kind: z.string().optional(),
      cpus: z.number().optional(),
      memory_mb: z.number().optional(),
    })
    .nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  mounts: z
    .array(
      z.object({
        volume: z.string().optional(),
        path: z.string().optional(),
        extend_threshold_percent: z.number().optional(),
        add_size_gb: z.number().optional(),
        size_gb_limit: z.number().optional(),
      }),
    )
    .nullish(),
});

/** Ids become parts of paths. */
const idSchema = z.string().regex(/^[\w-]{1,128}$/);

/** Go encodes a list that was never filled as null. */
const listOf = <T>(schema: z.ZodType<T>): z.ZodType<T[]> => z.array(schema).or(z.null().transform(() => []));

/** A machine as Fly answers it (docs: machines/api/machines-resource); `config` is missing when its host is. */
export const flyMachineSchema = z.object({
  id: idSchema,
  name: z.string().optional(),
  state: z.string(),
  region: z.string().optional(),
  instance_id: z.string().optional(),
  created_at: z.string().optional(),
  host_status: z.string().optional(),
  /** What the machine's image was resolved to (fly-machines-api.md §3.1). */
  image_ref: z.object({ digest: z.string().optional() }).nullish().catch(null),
  config: machineConfigSchema.nullish(),
  incomplete_config: machineConfigSchema.nullish(),
  events: z.array(machineEventSchema).nullish(),
});
export type FlyMachine = z.infer<typeof flyMachineSchema>;
export const flyMachinesSchema = listOf(flyMachineSchema);

/** A volume as Fly answers it (docs: machines/api/volumes-resource); any field but the id may be missing. */
export const flyVolumeSchema = z.object({
  id: idSchema,
  name: z.string().optional(),
  state: z.string().optional(),
  region: z.string().optional(),
  created_at: z.string().optional(),
  attached_machine_id: z.string().nullish(),
  host_status: z.string().optional(),
  size_gb: z.number().int().positive().nullish().catch(null),
  /** Both are 0 until a machine mounted it for the first time. */
  blocks: z.number().nullish(),
  bytes_used: z.number().nullish(),
});
export type FlyVolume = z.infer<typeof flyVolumeSchema>;
export const flyVolumesSchema = listOf(flyVolumeSchema);

/** A snapshot of a volume (docs: machines/api/volumes-resource); it can be restored once its status is `created`. */
const flySnapshotSchema = z.object({
  id: idSchema,
  status: z.string().optional(),
  created_at: z.string().optional(),
});
export type FlySnapshot = z.infer<typeof flySnapshotSchema>;
export const flySnapshotsSchema = listOf(flySnapshotSchema);

/** How a command in a machine ended; what is zero or empty may be left out (fly-machines-api.md §4.15). */
export const flyExecAnswerSchema = z.object({
  exit_code: z.int().default(0),
  exit_signal: z.int().default(0),
  stdout: z.string().default(""),
  stderr: z.string().default(""),
});
export type FlyExecAnswer = z.output<typeof flyExecAnswerSchema>;

/** An app (docs: machines/api/apps-resource). */
export const flyAppSchema = z.object({
  name: z.string(),
  network: z.string().optional(),
  organization: z.object({ slug: z.string().optional() }).optional(),
});
export type FlyApp = z.infer<typeof flyAppSchema>;

const flyAddressSchema = z.object({ ip: z.string(), shared: z.boolean().optional() });
export type FlyAddress = z.infer<typeof flyAddressSchema>;

/** Addresses of an app (fly-machines-api.md §2.6). */
export const flyAddressesSchema = z.object({ ips: listOf(flyAddressSchema) });

/** The answer to writing a secret: the version from which the app's machines see it; `Version` is its older name (§2.7). */
export const flySecretSchema = z
  .object({ version: z.int() })
  .or(z.object({ Version: z.int() }).transform(({ Version }) => ({ version: Version })));

/** The error envelope; `error` is the usual key, `message` an older one. */
export const flyErrorSchema = z.object({
  error: z.string().optional(),
  message: z.string().optional(),
  status: z.string().optional(),
});

/** States in which a volume counts as gone: Fly keeps it for a day, but nothing can mount it. */
const GONE_VOLUME_STATES = new Set([
  "scheduling_destroy",
  "pending_destroy",
  "fork_cleanup",
  "waiting_for_detach",
  "destroying",
  "destroyed",
]);

/** Whether nothing can mount the volume any more, though Fly still shows it. */
export function isVolumeGone(volume: FlyVolume): boolean {
  return volume.state !== undefined && GONE_VOLUME_STATES.has(volume.state);
}

/** The body of create and update (docs: machines/api/machines-resource). An update replaces the whole config. */
export type MachineRequest = {
  name?: string;
  region?: string;
  /** The machine waits until its host sees this version of the app's secrets. */
  min_secrets_version?: number;
  config: {
    image: string;
    env: Record<string, string>;
    guest: { cpu_kind: string; cpus: number; memory_mb: number };
    mounts: ({ volume: string; path: string } & Record<string, string | number>)[];
    services: unknown[];
    metadata: Record<string, string>;
    restart: { policy: string };
    stop_config: { signal: string; timeout: string };
  };
};
