import { z } from "zod";
import type { Cloud } from "../cloud/cloud.ts";
import { Refusal, refusals } from "../refusal.ts";
import type { Machine } from "../state/model.ts";
import type { Circumstances } from "./circumstances.ts";
import { endLeases, loseMachine, loseVolume, moveMachine, takeLease, takeSnapshot } from "./blows.ts";
import { wedgeStates } from "./wedges.ts";

const machine = z.string();
const volume = z.string();
const durationMs = z
  .number()
  .int()
  .min(1)
  .max(24 * 3600 * 1000);
const hostOf = { machine: machine.optional(), volume: volume.optional() };

/** Something that befalls the cloud by itself, in the words of `POST /_test/cloud`. */
export const happeningSchema = z.discriminatedUnion("kind", [
  /** Its program ends and is not started again. */
  z.strictObject({
    kind: z.literal("machine_dies"),
    machine,
    state: z.enum(["stopped", "failed"]).default("stopped"),
  }),
  /** Its program is killed; the restart policy says what comes of it. */
  z.strictObject({ kind: z.literal("machine_crashes"), machine }),
  /** Nothing is left of it, not even its id. Its volume stays. */
  z.strictObject({ kind: z.literal("machine_lost"), machine }),
  z.strictObject({ kind: z.literal("volume_lost"), volume }),
  /** Fly takes the machine to another host: same id, new version, new volume. */
  z.strictObject({ kind: z.literal("machine_moved"), machine }),
  z.strictObject({
    kind: z.literal("host_down"),
    ...hostOf,
    /** How calls are refused. */
    status: z.union([z.literal(408), z.literal(503)]).default(408),
  }),
  z.strictObject({ kind: z.literal("host_up"), ...hostOf }),
  z.strictObject({ kind: z.literal("host_full"), ...hostOf }),
  z.strictObject({ kind: z.literal("host_free"), ...hostOf }),
  z.strictObject({
    kind: z.literal("region_full"),
    region: z.string(),
    why: z.enum(["capacity", "quota"]).default("capacity"),
  }),
  z.strictObject({ kind: z.literal("region_free"), region: z.string() }),
  z.strictObject({
    kind: z.literal("wedged"),
    machine,
    state: z.enum(wedgeStates),
    forMs: durationMs.optional(),
  }),
  z.strictObject({ kind: z.literal("released"), machine }),
  z.strictObject({ kind: z.literal("leased"), machine, forMs: durationMs }),
  /** The name belongs to another organization. */
  z.strictObject({ kind: z.literal("foreign_app"), app: z.string() }),
  /** A finished snapshot of what is on the volume. */
  z.strictObject({ kind: z.literal("snapshot"), volume, agoMs: z.number().int().min(0).default(0) }),
  /** Time goes by, where the cloud has a clock that stands still. */
  z.strictObject({ kind: z.literal("time"), forMs: durationMs }),
  /** All that is wrong with the cloud ends. */
  z.strictObject({ kind: z.literal("healed") }),
]);
export type Happening = z.infer<typeof happeningSchema>;

/** Lets it happen. What comes of it may take the time that it takes. */
export async function happen(
  cloud: Cloud,
  circumstances: Circumstances,
  happening: Happening,
): Promise<Refusal | undefined> {
  switch (happening.kind) {
    case "machine_dies":
      return withMachine(cloud, happening.machine, ({ id }) => {
        cloud.store.machines.update(id, (row) => ({ ...row, target: "stopped" }));
        cloud.lifecycle.stop(id, { signal: "SIGKILL", timeoutMs: 0 }, happening.state);
      });
    case "machine_crashes": {
      const handle = cloud.lifecycle.handle(happening.machine);
      if (handle === undefined) return new Refusal(409, "the machine has no program that runs");
      handle.signal("SIGKILL");
      return undefined;
    }
    case "machine_lost":
      return withMachine(cloud, happening.machine, (row) => loseMachine(cloud, row));
    case "volume_lost":
      return loseVolume(cloud, happening.volume);
    case "machine_moved":
      return withMachine(cloud, happening.machine, (row) => moveMachine(cloud, row));
    case "host_down":
    case "host_up":
    case "host_full":
    case "host_free":
      return onHost(circumstances, happening);
    case "region_full":
      circumstances.regions.set(happening.region, happening.why);
      return undefined;
    case "region_free":
      circumstances.regions.delete(happening.region);
      return undefined;
    case "wedged":
      return withMachine(cloud, happening.machine, ({ id }) => circumstances.wedges.wedge(id, happening));
    case "released":
      circumstances.wedges.release(happening.machine);
      circumstances.announce();
      return undefined;
    case "leased":
      return withMachine(cloud, happening.machine, (row) => takeLease(cloud, row, happening.forMs));
    case "foreign_app":
      circumstances.foreignApps.add(happening.app);
      return undefined;
    case "snapshot":
      return takeSnapshot(cloud, happening.volume, happening.agoMs);
    case "time": {
      if (cloud.clock.advance === undefined) return new Refusal(409, "the clock goes by itself");
      await cloud.clock.advance(happening.forMs);
      return undefined;
    }
    case "healed":
      circumstances.heal();
      endLeases(cloud);
      return undefined;
    default:
      return happening satisfies never;
  }
}

function withMachine(cloud: Cloud, id: string, befall: (machine: Machine) => void): Refusal | undefined {
  const machine = cloud.store.machines.get(id);
  if (machine === undefined || machine.state === "destroyed") return refusals.machineNotFound();
  befall(machine);
  return undefined;
}

function onHost(
  circumstances: Circumstances,
  happening: Extract<Happening, { kind: `host_${string}` }>,
): Refusal | undefined {
  const { hosts } = circumstances;
  const { machine: machineId, volume: volumeId } = happening;
  const host =
    volumeId === undefined
      ? machineId === undefined
        ? undefined
        : hosts.ofMachine(machineId)
      : hosts.ofVolume(volumeId);
  if (host === undefined) return refusals.invalidArgument("name a machine or a volume of the host");
  switch (happening.kind) {
    case "host_down":
      hosts.takeDown(host, happening.status);
      break;
    case "host_up":
      hosts.bringUp(host);
      break;
    case "host_full":
      hosts.fill(host);
      break;
    case "host_free":
      hosts.free(host);
      break;
    default:
      return happening satisfies never;
  }
  circumstances.announce();
  return undefined;
}
