import { randomInt } from "node:crypto";
import { pause } from "../clock.ts";
import { appId, privateIp } from "../ids.ts";
import { Refusal, refusals, type Outcome } from "../refusal.ts";
import { messageOf } from "../log.ts";
import type { App } from "../state/model.ts";
import { inApp, inOrg } from "../state/store.ts";
import { destroyMachine } from "./actions.ts";
import type { Cloud } from "./cloud.ts";

export interface AppRequest {
  name: string;
  orgSlug: string;
  network?: string | undefined;
}

/** Names are global: another organization's app takes one as well (contracts/fly-machines-api §2.1). */
export function createApp(cloud: Cloud, request: AppRequest): Outcome<App> {
  if (request.orgSlug === "") return refusals.noOrg();
  if (!/^[a-z0-9][a-z0-9-]{0,61}$/.test(request.name)) {
    return new Refusal(
      422,
      "Validation failed: Name under 63 chars using numbers, lowercase letters and dashes",
    );
  }
  if (cloud.store.apps.has(request.name)) {
    return new Refusal(422, "Validation failed: Name has already been taken", "name_taken");
  }
  return cloud.store.apps.put({
    id: appId(),
    numericId: randomInt(1, 2 ** 31),
    name: request.name,
    orgSlug: request.orgSlug,
    network: request.network ?? "default",
    createdAt: cloud.clock.now(),
    isDeleting: false,
    secretsVersion: 0,
    secrets: {},
    ips: [],
  });
}

/** The apps of an organization. */
export function listApps(cloud: Cloud, orgSlug: string): App[] {
  return cloud.store.apps.find(inOrg(orgSlug));
}

/** How many machines and volumes the app has, without those that are gone. */
export function countsOf(cloud: Cloud, app: App): { machines: number; volumes: number } {
  return {
    machines: cloud.store.machines.find(inApp(app.name)).filter(({ state }) => state !== "destroyed").length,
    volumes: cloud.store.volumes.find(inApp(app.name)).filter(({ deletedAt }) => deletedAt === undefined)
      .length,
  };
}

/**
 * Begins to delete the app with all that is in it. It can be seen, and its name is taken, until its machines are
 * gone.
 */
export function deleteApp(cloud: Cloud, app: App): void {
  cloud.store.apps.put({ ...app, isDeleting: true });
  const machines = cloud.store.machines.find(inApp(app.name));
  for (const machine of machines) {
    if (machine.target !== "destroyed") destroyMachine(cloud, machine);
  }
  const finish = async (): Promise<void> => {
    if (!(await pause(cloud.clock, cloud.timings.appDeleteMs, cloud.closing))) return;
    await Promise.all(machines.map((machine) => cloud.lifecycle.settled(machine.id)));
    if (cloud.closing.aborted) return;
    await removeApp(cloud, app.name);
  };
  finish().catch((error: unknown) => {
    cloud.log({ kind: "problem", message: `App ${app.name} is not wholly deleted: ${messageOf(error)}` });
  });
}

/** Goes on with the deletions that an earlier life of the local Fly left half done. */
export function resumeDeletions(cloud: Cloud): void {
  for (const app of cloud.store.apps.values()) if (app.isDeleting) deleteApp(cloud, app);
}

async function removeApp(cloud: Cloud, name: string): Promise<void> {
  const { store, runtime } = cloud;
  const volumes = store.volumes.find(inApp(name));
  const snapshots = store.snapshots.find(inApp(name));
  for (const machine of store.machines.find(inApp(name))) store.machines.delete(machine.id);
  for (const volume of volumes) store.volumes.delete(volume.id);
  for (const snapshot of snapshots) store.snapshots.delete(snapshot.id);
  store.apps.delete(name);
  await Promise.all([
    ...volumes.map(({ id }) => runtime.disks.remove({ kind: "volume", id })),
    ...snapshots.map(({ id }) => runtime.disks.remove({ kind: "snapshot", id })),
  ]);
}

export const ipTypes = ["v4", "v6", "shared_v4", "private_v6"] as const;

/**
 * Gives the app an address of the wanted type. A second shared or v6 one is refused (contracts/fly-machines-api §2.6, where
 * the text is not known).
 */
export function assignIp(
  cloud: Cloud,
  app: App,
  request: { type: (typeof ipTypes)[number]; region?: string | undefined; serviceName?: string | undefined },
): Outcome<App["ips"][number]> {
  const shared = request.type === "shared_v4";
  if (shared && app.ips.some((ip) => ip.shared)) {
    return new Refusal(422, "Validation failed: App already has a shared IPv4 address");
  }
  if (request.type === "v6" && app.ips.some(({ ip }) => ip.startsWith(publicV6Prefix))) {
    return new Refusal(422, "Validation failed: App already has an IPv6 address");
  }
  const assigned = {
    ip: address(request.type, app),
    region: request.region ?? "global",
    serviceName: request.serviceName ?? "",
    shared,
    createdAt: cloud.clock.now(),
  };
  cloud.store.apps.put({ ...app, ips: [...app.ips, assigned] });
  return assigned;
}

/** Takes an address from the app; refused with 404 where it has no such address. */
export function releaseIp(cloud: Cloud, app: App, ip: string): Refusal | undefined {
  if (!app.ips.some((assigned) => assigned.ip === ip)) return new Refusal(404, "ip address not found");
  cloud.store.apps.put({ ...app, ips: app.ips.filter((assigned) => assigned.ip !== ip) });
  return undefined;
}

const publicV6Prefix = "2a09:8280:1::";

function address(type: (typeof ipTypes)[number], app: App): string {
  switch (type) {
    case "v4":
      return `37.16.${randomInt(256)}.${randomInt(1, 255)}`;
    case "shared_v4":
      return "66.241.124.1";
    case "v6":
      return `${publicV6Prefix}${randomInt(1, 0xffff).toString(16)}:${randomInt(1, 0xffff).toString(16)}`;
    case "private_v6":
      return privateIp(app.network);
    default:
      return type satisfies never;
  }
}
