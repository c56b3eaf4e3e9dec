import { Refusal, type Outcome } from "../refusal.ts";
import type { Machine, MachineEvent } from "../state/model.ts";
import type { Cloud } from "./cloud.ts";
import { withEvent, type EventWords } from "./events.ts";
import { gates } from "./gates.ts";
import { awaitLease, refuseLeased } from "./leases.ts";
import { stopSettings, type StopSettings } from "./stop-settings.ts";

type Nonce = string | undefined;

/** Answers the state that the machine was in; it starts after the answer (contracts/fly-machines-api §4.5). */
export function startMachine(
  cloud: Cloud,
  machine: Machine,
  nonce: Nonce,
  source: MachineEvent["source"] = "user",
): Outcome<{ previousState: string }> {
  const leased = refuseLeased(cloud, machine, nonce);
  if (leased !== undefined) return leased;
  const gate = gates.start(machine);
  if (gate instanceof Refusal) return gate;
  if (gate === undefined) {
    const change = { state: "starting", target: "started", restarts: [] } as const;
    write(cloud, machine, { ...change, restarts: [] }, { type: "start", status: "starting", source });
    cloud.lifecycle.start(machine.id);
  }
  return { previousState: machine.state };
}

/** Waits for another's lease to end, as Fly does, then stops (§4.6). */
export async function stopMachine(
  cloud: Cloud,
  machineId: string,
  nonce: Nonce,
  asked: Partial<StopSettings>,
  signal: AbortSignal,
): Promise<Refusal | undefined> {
  const machine = await unleased(cloud, machineId, nonce, signal);
  if (machine instanceof Refusal) return machine;
  const gate = gates.stop(machine);
  if (gate instanceof Refusal) return gate;
  if (gate === "already_stopped") return undefined;
  const isAsleep = machine.state === "suspended" || machine.state === "suspending";
  const settings = stopSettings(machine, isAsleep ? { signal: "SIGKILL" } : asked);
  write(
    cloud,
    machine,
    { state: "stopping", target: "stopped", prepared: true },
    { type: "stop", status: "stopping", source: "user" },
  );
  cloud.lifecycle.stop(machine.id, settings);
  return undefined;
}

/** Memory above this, or swap, or a schedule, and Fly cannot suspend: it stops instead (§4.7). */
const suspendMemoryMbMax = 2048;

/** Suspends the machine, or stops it where Fly would not suspend one like it; refused under a lease, and where it is not up. */
export function suspendMachine(cloud: Cloud, machine: Machine, nonce: Nonce): Refusal | undefined {
  const refused = refuseLeased(cloud, machine, nonce) ?? gates.running(machine, "suspend");
  if (refused !== undefined) return refused;
  const { guest, init, schedule } = machine.config;
  const isTooLarge = (guest?.memory_mb ?? 0) > suspendMemoryMbMax;
  if (isTooLarge || (init?.swap_size_mb ?? 0) > 0 || schedule !== undefined) {
    write(
      cloud,
      machine,
      { state: "stopping", target: "stopped" },
      { type: "stop", status: "stopping", source: "user" },
    );
    cloud.lifecycle.stop(machine.id, stopSettings(machine));
    return undefined;
  }
  write(
    cloud,
    machine,
    { state: "suspending", target: "suspended" },
    { type: "suspend", status: "suspending", source: "user" },
  );
  cloud.lifecycle.suspend(machine.id);
  return undefined;
}

/** Restarts the program; the version stays (§4.8). */
export function restartMachine(
  cloud: Cloud,
  machine: Machine,
  nonce: Nonce,
  asked: Partial<StopSettings>,
): Refusal | undefined {
  const refused = refuseLeased(cloud, machine, nonce) ?? gates.running(machine, "restart");
  if (refused !== undefined) return refused;
  write(
    cloud,
    machine,
    { state: "restarting", target: "started", restarts: [] },
    { type: "restart", status: "restarting", source: "user" },
  );
  cloud.lifecycle.restart(machine.id, stopSettings(machine, asked));
  return undefined;
}

/** Sends a signal to the machine's main process (§4.9). */
export function signalMachine(
  cloud: Cloud,
  machine: Machine,
  nonce: Nonce,
  signal: NodeJS.Signals,
): Refusal | undefined {
  const refused = refuseLeased(cloud, machine, nonce) ?? gates.running(machine, "signal");
  if (refused !== undefined) return refused;
  cloud.lifecycle.handle(machine.id)?.signal(signal);
  return undefined;
}

/** Waits for another's lease to end, as Fly does, then destroys (§4.11). Repeating it is no error. */
export async function deleteMachine(
  cloud: Cloud,
  machineId: string,
  nonce: Nonce,
  force: boolean,
  signal: AbortSignal,
): Promise<Refusal | undefined> {
  const machine = await unleased(cloud, machineId, nonce, signal);
  if (machine instanceof Refusal) return machine;
  const gate = gates.delete(machine, force);
  if (gate instanceof Refusal) return gate;
  if (gate === undefined) destroyMachine(cloud, machine);
  return undefined;
}

/** Destroys a machine whatever it does. */
export function destroyMachine(cloud: Cloud, machine: Machine): void {
  write(
    cloud,
    machine,
    { state: "destroying", target: "destroyed" },
    { type: "destroy", status: "destroying", source: "user" },
  );
  cloud.lifecycle.destroy(machine.id);
}

/** A cordoned machine gets no requests but those that are pinned to it. */
export function cordonMachine(
  cloud: Cloud,
  machine: Machine,
  nonce: Nonce,
  cordoned: boolean,
): Refusal | undefined {
  const refused = refuseLeased(cloud, machine, nonce);
  if (refused !== undefined) return refused;
  cloud.store.machines.put({ ...machine, cordoned, updatedAt: cloud.clock.now() });
  return undefined;
}

async function unleased(
  cloud: Cloud,
  machineId: string,
  nonce: Nonce,
  signal: AbortSignal,
): Promise<Outcome<Machine>> {
  const refused = await awaitLease(cloud, machineId, nonce, signal);
  return refused ?? cloud.store.machines.get(machineId) ?? new Refusal(404, "machine not found");
}

function write(cloud: Cloud, machine: Machine, change: Partial<Machine>, words: EventWords): void {
  cloud.store.machines.put(withEvent({ ...machine, ...change }, cloud.clock.now(), words));
  if (change.state !== undefined) {
    cloud.log({ kind: "machine_state", machineId: machine.id, state: change.state });
  }
}
