import type { FlyClient } from "../fly/client.ts";
import type { FlyError } from "../fly/errors.ts";
import { type FlyMachine, isVolumeGone } from "../fly/schemas.ts";
import type { Health } from "../gateway/health.ts";
import { METADATA_GENERATION, METADATA_SANDBOX, METADATA_USER } from "./names.ts";
import type {
  MachinePhase,
  Observation,
  ObservedGateway,
  ObservedMachine,
  ObservedVolume,
} from "./observation.ts";
import type { InstanceState, ProblemCode } from "./state.ts";

export type ObservePorts = {
  fly: FlyClient;
  /** Asks the controller in the machine; never throws. */
  health: (appName: string, machineId: string) => Promise<Health>;
};

/** Asks Fly and the controller for just what the next decision can depend on. A call that fails is `unknown`. */
export async function observe(state: InstanceState, ports: ObservePorts): Promise<Observation> {
  const machine = await observeMachine(state, ports.fly);
  const [volume, gateway] = await Promise.all([
    volumeMatters(state, machine) ? observeVolume(state, ports.fly) : nothingAsked,
    observeGateway(state, machine, ports),
  ]);
  return { machine, volume, gateway };
}

/** What a call that failed says of the world: nothing. Fly's own words stay in the operator's log. */
function unknown({ kind, status }: FlyError): { kind: "unknown"; code: ProblemCode; why: string } {
  if (kind === "unauthorized") {
    return { kind: "unknown", code: "fly_unauthorized", why: "Fly refused the Worker's token" };
  }
  const why = status === null ? "Fly did not answer" : `Fly answered ${status}`;
  return { kind: "unknown", code: "fly_unreachable", why };
}

const nothingAsked = { kind: "none" } as const;

async function observeMachine(state: InstanceState, fly: FlyClient): Promise<ObservedMachine> {
  const id = state.machine?.id ?? state.pendingDestroyMachineId;
  if (id !== null) return readMachine(state, fly, id);
  if (state.creating?.kind !== "machine") return nothingAsked;
  const found = await fly.findMachines(state.appName, METADATA_SANDBOX, state.sandboxId);
  if (!found.ok) return unknown(found.error);
  // A name is unique among live machines, so there is at most one; the list is only believed after a look at it.
  const candidate = found.value.find(
    ({ name, state: word }) => name === state.sandboxId && word !== "destroyed",
  );
  return candidate === undefined ? { kind: "absent" } : readMachine(state, fly, candidate.id);
}

async function readMachine(state: InstanceState, fly: FlyClient, id: string): Promise<ObservedMachine> {
  const answer = await fly.getMachine(state.appName, id);
  if (!answer.ok) {
    return answer.error.kind === "not_found" ? { kind: "absent" } : unknown(answer.error);
  }
  const machine = answer.value;
  // Fly keeps the last state of a machine whose host is gone (fly-machines-api.md §5.2); it tells nothing.
  if (machine.host_status === "unreachable")
    return { kind: "unknown", code: "fly_unreachable", why: "the machine's host can't be reached" };
  const phase = phaseOf(machine.state);
  if (phase === "gone") return { kind: "absent" };
  if (phase === null) {
    return { kind: "unknown", code: "fly_unreachable", why: `Fly reports the machine as "${machine.state}"` };
  }
  const config = machine.config ?? machine.incomplete_config;
  if (config === undefined || config === null) {
    return { kind: "unknown", code: "fly_unreachable", why: "Fly does not tell whose machine it is" };
  }
  const { metadata } = config;
  const generation = Number.parseInt(metadata?.[METADATA_GENERATION] ?? "", 10);
  return {
    kind: "present",
    id: machine.id,
    instanceId: machine.instance_id ?? "",
    phase,
    flyState: machine.state,
    ours: metadata?.[METADATA_USER] === state.userId && metadata[METADATA_SANDBOX] === state.sandboxId,
    generation: Number.isNaN(generation) ? null : generation,
    exit: describeExit(machine),
  };
}

/** Fly's states (docs: machines/machine-states) by what they mean to us; null for a word we don't know. */
function phaseOf(flyState: string): MachinePhase | "gone" | null {
  switch (flyState) {
    case "created":
    case "creating":
    case "pending":
      return "launching";
    case "starting":
    case "restarting":
      return "starting";
    case "started":
      return "up";
    case "stopping":
    case "suspending":
      return "stopping";
    case "replacing":
    case "updating":
      return "replacing";
    case "stopped":
    case "suspended":
      return "down";
    case "failed":
    case "launch_failed":
      return "failed";
    case "destroying":
      return "destroying";
    case "destroyed":
    case "replaced":
    case "migrated":
      return "gone";
    default:
      return null;
  }
}

function describeExit(machine: FlyMachine): string | null {
  const exit = machine.events?.find(({ type }) => type === "exit")?.request?.exit_event;
  if (exit === undefined || exit.requested_stop === true) return null;
  if (exit.oom_killed === true) return "it ran out of memory";
  if (exit.signal !== undefined && exit.signal > 0) return `killed by signal ${exit.signal}`;
  return exit.exit_code === undefined ? null : `exit code ${exit.exit_code}`;
}

/** A volume is only looked at where something is to be made on it or it is to go. */
function volumeMatters(state: InstanceState, machine: ObservedMachine): boolean {
  switch (machine.kind) {
    case "none":
      return true;
    case "absent":
      return state.intent === "destroyed";
    case "present":
      return state.intent === "destroyed" && !machine.ours;
    case "unknown":
      return false;
    default:
      return machine satisfies never;
  }
}

async function observeVolume(state: InstanceState, fly: FlyClient): Promise<ObservedVolume> {
  const id = state.volume?.id ?? state.pendingDestroyVolumeId;
  if (id !== null) return readVolume(state, fly, id);
  const found = await fly.findVolumes(state.appName, state.volumeName);
  if (!found.ok) return unknown(found.error);
  const newest = found.value.toSorted((a, b) => (b.created_at ?? "").localeCompare(a.created_at ?? ""))[0];
  // A list may still show what is gone (fly-machines-api.md F-48): it is only believed after a look at the volume itself.
  return newest === undefined ? { kind: "absent" } : readVolume(state, fly, newest.id);
}

async function readVolume(state: InstanceState, fly: FlyClient, id: string): Promise<ObservedVolume> {
  const answer = await fly.getVolume(state.appName, id);
  if (!answer.ok) {
    return answer.error.kind === "not_found" ? { kind: "absent" } : unknown(answer.error);
  }
  if (isVolumeGone(answer.value)) return { kind: "absent" };
  // A missing region means: as it was (fly-machines-api.md §6.1).
  return present(
    id,
    answer.value.region ?? state.volume?.region ?? state.regions[0] ?? "",
    answer.value.attached_machine_id ?? null,
  );
}

function present(id: string, region: string, attachedMachineId: string | null): ObservedVolume {
  return { kind: "present", id, region, attachedMachineId };
}

async function observeGateway(
  state: InstanceState,
  machine: ObservedMachine,
  { health }: ObservePorts,
): Promise<ObservedGateway> {
  if (state.intent !== "running" || machine.kind !== "present" || machine.phase !== "up") return nothingAsked;
  const answer = await health(state.appName, machine.id);
  if (answer.kind === "silent") return { kind: "unknown", why: answer.why };
  return answer.state === "ready" ? { kind: "ready" } : { kind: answer.state, stage: answer.stage };
}
