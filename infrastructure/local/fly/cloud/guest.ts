import { Refusal } from "../refusal.ts";
import type { MachineConfig, MachineGuest } from "../state/config.ts";

const kinds = {
  shared: { counts: [1, 2, 4, 6, 8], memoryMbMin: 256, memoryMbMax: 2048 },
  performance: {
    counts: [1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64, 128],
    memoryMbMin: 2048,
    memoryMbMax: 8192,
  },
};

/** The smallest machine there is: what one gets who asks for nothing. */
const guestDefault = { cpu_kind: "shared", cpus: 1, memory_mb: 256 };

/** The config's guest with the defaults filled in, also from a named size such as `shared-cpu-2x`. */
export function guestOf(config: MachineConfig): MachineGuest {
  const named = /^(shared|performance)(?:-cpu)?-(\d+)x$/.exec(config.size ?? "");
  if (named !== null && config.guest === undefined) {
    const kind = named[1] === "performance" ? "performance" : "shared";
    const cpus = Number(named[2]);
    return { cpu_kind: kind, cpus, memory_mb: cpus * kinds[kind].memoryMbMin };
  }
  return { ...guestDefault, ...config.guest };
}

/** Why Fly would not run such a machine, if so (docs: memory per CPU by kind, in steps of 256 MB). */
export function refuseGuest(guest: MachineGuest): Refusal | undefined {
  const { cpu_kind: kindName = "shared", cpus = 1, memory_mb: memoryMb = 256 } = guest;
  if (kindName !== "shared" && kindName !== "performance") {
    return invalid(`cpu_kind, unknown kind '${kindName}'`);
  }
  const kind = kinds[kindName];
  if (!kind.counts.includes(cpus)) {
    return invalid(`cpus, ${cpus} ${kindName} CPUs are not offered`);
  }
  if (memoryMb < kind.memoryMbMin * cpus) {
    return invalid(`memory_mb, minimum required ${kind.memoryMbMin * cpus} MiB`);
  }
  if (memoryMb > kind.memoryMbMax * cpus) {
    return invalid(`memory_mb, maximum allowed ${kind.memoryMbMax * cpus} MiB`);
  }
  return memoryMb % 256 === 0 ? undefined : invalid("memory_mb, must be a multiple of 256 MiB");
}

function invalid(what: string): Refusal {
  return new Refusal(422, `invalid config.guest.${what}`);
}
