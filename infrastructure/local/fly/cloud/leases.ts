import { leaseNonce } from "../ids.ts";
import { Refusal, type Outcome } from "../refusal.ts";
import type { Lease, Machine } from "../state/model.ts";
import type { Cloud } from "./cloud.ts";

const ttlSecondsDefault = 500;
/** Fly documents no limit; a day keeps a forgotten lease from being one for ever. */
const ttlSecondsMax = 24 * 3600;
/** Who holds every lease here, in the form in which Fly names a token. */
const owner = "local@tokens.fly.io";

/** The lease in force, if any. */
function activeLease(cloud: Cloud, machine: Machine): Lease | undefined {
  const { lease } = machine;
  return lease !== undefined && lease.expiresAt * 1000 > cloud.clock.now() ? lease : undefined;
}

/** Fly's 409, if another than the holder of `nonce` has the lease. */
export function refuseLeased(cloud: Cloud, machine: Machine, nonce: string | undefined): Refusal | undefined {
  const lease = activeLease(cloud, machine);
  if (lease === undefined || lease.nonce === nonce) return undefined;
  const expires = new Date(lease.expiresAt * 1000).toISOString().replace(/\.\d+Z$/, "Z");
  return new Refusal(
    409,
    `machine ID ${machine.id} lease currently held by ${lease.owner}, expires at ${expires}`,
  );
}

/** Takes the lease, or with its nonce makes it last longer. */
export function takeLease(
  cloud: Cloud,
  machine: Machine,
  nonce: string | undefined,
  asked: { ttlSeconds?: number | undefined; description?: string | undefined },
): Outcome<Lease> {
  const held = refuseLeased(cloud, machine, nonce);
  if (held !== undefined) return held;
  if (machine.state === "destroyed") return new Refusal(404, "machine not found");
  const ttlSeconds = asked.ttlSeconds ?? ttlSecondsDefault;
  if (ttlSeconds < 1 || ttlSeconds > ttlSecondsMax) {
    return new Refusal(400, `invalid_argument: lease ttl must be inside range [1, ${ttlSecondsMax}]`);
  }
  const current = activeLease(cloud, machine);
  const lease: Lease = {
    nonce: current?.nonce ?? leaseNonce(),
    expiresAt: Math.floor(cloud.clock.now() / 1000) + ttlSeconds,
    owner,
    description: asked.description ?? current?.description ?? "",
    version: machine.instanceId,
  };
  cloud.store.machines.put({ ...machine, lease });
  return lease;
}

/** The lease that holds the machine; refused with 404 where none does. */
export function showLease(cloud: Cloud, machine: Machine): Outcome<Lease> {
  // The leading blank is Fly's.
  return activeLease(cloud, machine) ?? new Refusal(404, " lease not found");
}

/** Ends the lease; refused without its nonce, and where there is none. */
export function releaseLease(cloud: Cloud, machine: Machine, nonce: string | undefined): Refusal | undefined {
  const lease = activeLease(cloud, machine);
  if (lease === undefined) return new Refusal(404, " lease not found");
  if (nonce === undefined) return new Refusal(400, "invalid_argument: missing lease nonce");
  const held = refuseLeased(cloud, machine, nonce);
  if (held !== undefined) return held;
  cloud.store.machines.update(machine.id, ({ lease: _released, ...rest }) => rest);
  return undefined;
}

/**
 * Waits until nobody but the holder of `nonce` has the lease: live Fly blocks stop and delete that long, where other
 * calls are refused at once. Bounded by `timings.leaseWaitMsMax` and by the caller's patience, `signal`.
 */
export async function awaitLease(
  cloud: Cloud,
  machineId: string,
  nonce: string | undefined,
  signal: AbortSignal,
): Promise<Refusal | undefined> {
  const deadlineMs = cloud.clock.now() + cloud.timings.leaseWaitMsMax;
  for (;;) {
    const machine = cloud.store.machines.get(machineId);
    const lease = machine === undefined ? undefined : activeLease(cloud, machine);
    if (lease === undefined || lease.nonce === nonce) return undefined;
    const nowMs = cloud.clock.now();
    if (signal.aborted || nowMs >= deadlineMs) {
      return new Refusal(408, "deadline_exceeded: machine lease was not released in time");
    }
    await leaseChange(cloud, machineId, Math.min(lease.expiresAt * 1000, deadlineMs) - nowMs, signal);
  }
}

/** Resolves when the machine changes, `delayMs` have gone by, or `signal` fires. */
function leaseChange(cloud: Cloud, machineId: string, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      cancel();
      unwatch();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = cloud.clock.after(delayMs, finish);
    const unwatch = cloud.store.machines.watch(machineId, finish);
    signal.addEventListener("abort", finish, { once: true });
  });
}
