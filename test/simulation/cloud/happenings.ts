import { type Cloud } from "./cloud.ts";
import { comeUp, exitOf } from "./machines.ts";
import { boot } from "./program.ts";
import { type App, isGone, type Machine, type Volume } from "./model.ts";

/** The process in the machine ends on its own. */
export function machineDies(cloud: Cloud, machine: Machine): void {
  if (machine.state !== "started" || machine.host.status !== "ok") return;
  if (machine.volume !== null) cloud.write(machine.volume);
  cloud.become(machine, "stopped", "exit", "flyd", exitOf(1, false));
}

/** What is under way with the machine ends in `failed`. */
export function machineFails(cloud: Cloud, machine: Machine): void {
  if (machine.state === "destroying" || machine.state === "destroyed" || machine.host.status !== "ok") return;
  if (machine.state === "started" && machine.volume !== null) cloud.write(machine.volume);
  machine.change();
  machine.held = null;
  cloud.become(machine, "failed", "exit", "flyd", exitOf(1, false));
}

/** Fly moves the machine to another host: it keeps its id, and has another version and a volume of another id (§5.2, F-42). */
export function machineMigrated(cloud: Cloud, machine: Machine): void {
  const { volume: old } = machine;
  const host = old === null || machine.state !== "started" ? null : cloud.pickHost(machine.region, old.host);
  if (old === null || host === null || machine.host.status !== "ok") return;
  const writing = cloud.contentOf(old);
  const moved: Volume = {
    ...old,
    id: cloud.newVolumeId(),
    host,
    writing,
    shown: [],
    createdAt: cloud.now,
    machine,
  };
  old.app.volumes.set(moved.id, moved);
  cloud.becomeVolume(moved, "created");
  old.machine = null;
  cloud.deleteVolume(old);
  machine.volume = moved;
  machine.host = host;
  machine.instanceId = cloud.newVersion();
  machine.config = {
    ...machine.config,
    mounts: [{ volume: moved.id, path: machine.config.mounts?.[0]?.path ?? "" }],
  };
  cloud.become(machine, "started", "launch", "flyd", { migrated: true });
  boot(machine);
}

/** The controller ended, and Fly starts the machine again as it is (fly-machines-api.md §3.2, `restart`). */
export function machineRestarts(cloud: Cloud, machine: Machine): void {
  if (machine.state !== "started" || machine.host.status !== "ok") return;
  if (machine.volume !== null) cloud.write(machine.volume);
  comeUp(cloud, machine, "flyd");
}

/** The machine is gone, and its volume is not. */
export function machineLost(cloud: Cloud, machine: Machine): void {
  if (machine.state === "destroyed") return;
  if (machine.state === "started" && machine.volume !== null && machine.host.status === "ok")
    cloud.write(machine.volume);
  machine.stuck = "no";
  cloud.destroyed(machine);
  // It is not even remembered.
  machine.forgottenAt = cloud.now;
}

/** The volume is gone, and the machine on it; what is left of the data is in its snapshots. */
export function volumeLost(cloud: Cloud, volume: Volume): void {
  if (volume.state === "destroyed") return;
  if (volume.machine !== null) machineLost(cloud, volume.machine);
  volume.bound = null;
  cloud.dataHit ||= volume.ours;
  cloud.becomeVolume(volume, "destroyed");
}

/** The host of a machine or volume can't be reached: what is on it keeps its last state, and nothing gets through to it. */
export function hostAway(cloud: Cloud, { host }: Machine | Volume): void {
  if (host.status !== "ok") return;
  for (const volume of cloud.allVolumes()) {
    if (volume.host !== host || isGone(volume)) continue;
    cloud.contentOf(volume);
    volume.wasAway = true;
    cloud.dataHit ||= volume.ours;
  }
  host.status = "unreachable";
}

/** What waited for the host goes on. */
export function hostBack(cloud: Cloud, host: Machine["host"]): void {
  if (host.status !== "unreachable") return;
  host.status = "ok";
  for (const machine of cloud.allMachines()) {
    if (machine.host !== host) continue;
    if (machine.state === "started") machine.readyAt = Math.max(machine.readyAt, cloud.now);
    cloud.release(machine);
  }
}

/** The host never comes back, and Fly has given up what was on it. */
function hostLost(cloud: Cloud, host: Machine["host"]): void {
  host.status = "lost";
  for (const machine of cloud.allMachines()) if (machine.host === host) machineLost(cloud, machine);
  for (const volume of cloud.allVolumes()) if (volume.host === host) volumeLost(cloud, volume);
}

/** The machine stays in the next state in between, or in that which it is in, until it is destroyed by force (`soft`) or set free. */
export function wedge(machine: Machine, hard: boolean): void {
  if (machine.state !== "destroyed") machine.stuck = hard ? "hard" : "soft";
}

/** The machine moves again, and what was due meanwhile happens at once. */
export function unwedge(cloud: Cloud, machine: Machine): void {
  machine.stuck = "no";
  cloud.release(machine);
}

/** Somebody else's tool holds the machine. */
export function lease(cloud: Cloud, machine: Machine, ms: number): void {
  machine.lease = { holder: "9af60c27-0000-0000-0000-000000000000@tokens.fly.io", until: cloud.now + ms };
}

/** What is wrong with the cloud as a whole, or with anything in it for a time, is over. */
export function heal(cloud: Cloud, hostsEnd: "back" | "lost" | "away"): void {
  cloud.listLagMs = 0;
  cloud.fillLists();
  cloud.isOut = false;
  cloud.fullRegions.clear();
  cloud.quotaRegions.clear();
  for (const hosts of cloud.hosts.values()) {
    for (const host of hosts) {
      host.full = false;
      if (host.status !== "unreachable") continue;
      if (hostsEnd === "back") hostBack(cloud, host);
      else if (hostsEnd === "lost") hostLost(cloud, host);
    }
  }
  for (const machine of cloud.allMachines()) {
    machine.controller = { kind: "normal" };
    if (machine.stuck !== "no") unwedge(cloud, machine);
  }
}

/** The machine of the simulated instance that was made last and is not destroyed. */
export function currentMachine(cloud: Cloud): Machine | null {
  return newest(cloud, (app) =>
    [...app.machines.values()].filter(({ ours, state }) => ours && state !== "destroyed"),
  );
}

/** The volume of the simulated instance that was made last and can still be mounted. */
export function currentVolume(cloud: Cloud): Volume | null {
  return newest(cloud, (app) => [...app.volumes.values()].filter((volume) => volume.ours && !isGone(volume)));
}

function newest<T extends { createdAt: number }>(cloud: Cloud, of: (app: App) => T[]): T | null {
  return [...cloud.apps.values()].flatMap(of).toSorted((a, b) => b.createdAt - a.createdAt)[0] ?? null;
}
