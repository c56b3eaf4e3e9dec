import { z } from "zod";

const text = z.string();
const count = z.number().int();
const texts = z.array(text);
/** Parts of a config that the local Fly keeps and shows but does not act on. */
const opaque = z.record(z.string(), z.unknown());
/** A Go duration: a string such as `"10s"`, or nanoseconds. */
const duration = z.union([text, z.number()]);

const guest = z.object({
  cpu_kind: text.optional(),
  cpus: count.optional(),
  memory_mb: count.optional(),
  max_memory_mb: count.optional(),
  gpu_kind: text.optional(),
  gpus: count.optional(),
  host_dedication_id: text.optional(),
  kernel_args: texts.optional(),
  persist_rootfs: text.optional(),
});

const mount = z.object({
  volume: text.optional(),
  path: text.optional(),
  name: text.optional(),
  encrypted: z.boolean().optional(),
  size_gb: count.optional(),
  add_size_gb: count.optional(),
  extend_threshold_percent: count.optional(),
  size_gb_limit: count.optional(),
});

const port = z.object({
  port: count.optional(),
  start_port: count.optional(),
  end_port: count.optional(),
  handlers: texts.optional(),
  force_https: z.boolean().optional(),
  http_options: opaque.optional(),
  tls_options: opaque.optional(),
  proxy_proto_options: opaque.optional(),
});

const service = z.object({
  protocol: text.optional(),
  internal_port: count.optional(),
  autostart: z.boolean().optional(),
  autostop: z.union([z.boolean(), z.enum(["off", "stop", "suspend"])]).optional(),
  min_machines_running: count.optional(),
  concurrency: opaque.optional(),
  ports: z.array(port).optional(),
  checks: z.array(opaque).optional(),
  force_instance_key: text.optional(),
  force_instance_description: text.optional(),
});

const init = z.object({
  exec: texts.optional(),
  entrypoint: texts.optional(),
  cmd: texts.optional(),
  tty: z.boolean().optional(),
  swap_size_mb: count.optional(),
  kernel_args: texts.optional(),
});

/**
 * A machine's config as the API takes and keeps it (`fly.MachineConfig` of the OpenAPI spec). Keys that Fly does
 * not know are dropped, as its Go decoder drops them.
 */
export const machineConfigSchema = z.object({
  image: text.optional(),
  env: z.record(z.string(), text).optional(),
  primary_region: text.optional(),
  guest: guest.optional(),
  size: text.optional(),
  init: init.optional(),
  mounts: z.array(mount).optional(),
  services: z.array(service).optional(),
  checks: z.record(z.string(), opaque).optional(),
  restart: z
    .object({
      policy: z.enum(["no", "always", "on-failure", "spot-price"]).optional(),
      max_retries: count.optional(),
      gpu_bid_price: z.number().optional(),
    })
    .optional(),
  auto_destroy: z.boolean().optional(),
  metadata: z.record(z.string(), text).optional(),
  schedule: text.optional(),
  standbys: texts.optional(),
  stop_config: z.object({ signal: text.optional(), timeout: duration.optional() }).optional(),
  files: z.array(opaque).optional(),
  dns: opaque.optional(),
  metrics: opaque.optional(),
  processes: z.array(opaque).optional(),
  containers: z.array(opaque).optional(),
  rootfs: opaque.optional(),
  statics: z.array(opaque).optional(),
  cache_drive: opaque.optional(),
  disable_machine_autostart: z.boolean().optional(),
});

export type MachineConfig = z.infer<typeof machineConfigSchema>;
export type MachineService = z.infer<typeof service>;
export type MachineGuest = z.infer<typeof guest>;
