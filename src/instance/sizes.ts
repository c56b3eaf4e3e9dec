import { type MachineSize, machineSizeSchema } from "./state.ts";

/** What a new volume has; Fly never makes one smaller, nor a copy of it (fly-machines-api.md §6.3). */
export const VOLUME_SIZE_GB = 10;
/** OpenClaw takes 1.2 GB after its first chat and a CLI beside it 0.7 GB (openclaw-gateway.md §1.3). */
export const DEFAULT_MACHINE_SIZE: MachineSize = { cpuKind: "shared", cpus: 2, memoryMb: 3_072 };

type Guest =
  | { cpu_kind?: string | undefined; cpus?: number | undefined; memory_mb?: number | undefined }
  | null
  | undefined;

/** The size of a machine as Fly tells it; null where it does not, or tells one that no record may have. */
export function sizeOf(guest: Guest): MachineSize | null {
  const { cpu_kind: cpuKind, cpus, memory_mb: memoryMb } = guest ?? {};
  return machineSizeSchema.safeParse({ cpuKind, cpus, memoryMb }).data ?? null;
}
