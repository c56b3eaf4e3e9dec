import type { Cloud } from "../cloud/cloud.ts";
import * as happenings from "../cloud/happenings.ts";
import type { Happening } from "./plan.ts";

/** Lets something happen at Fly, to what the instance has there at this moment; nothing where there is nothing. */
export function happen(cloud: Cloud, happening: Happening): void {
  const machine = happenings.currentMachine(cloud);
  const volume = happenings.currentVolume(cloud);
  switch (happening.kind) {
    case "machine_dies":
      if (machine !== null) happenings.machineDies(cloud, machine);
      break;
    case "machine_crashes_on":
      if (machine !== null) {
        machine.controller = { kind: "crashing" };
        happenings.machineDies(cloud, machine);
      }
      break;
    case "machine_fails":
      if (machine !== null) happenings.machineFails(cloud, machine);
      break;
    case "machine_restarts":
      if (machine !== null) happenings.machineRestarts(cloud, machine);
      break;
    case "program":
      if (machine !== null) machine.program.manner = happening.manner;
      break;
    case "machine_migrated":
      if (machine !== null) happenings.machineMigrated(cloud, machine);
      break;
    case "machine_lost":
      if (machine !== null) happenings.machineLost(cloud, machine);
      break;
    case "volume_lost":
      if (volume !== null) happenings.volumeLost(cloud, volume);
      break;
    case "host_away":
      if (volume !== null) happenings.hostAway(cloud, volume);
      break;
    case "host_back":
      for (const hosts of cloud.hosts.values()) for (const host of hosts) happenings.hostBack(cloud, host);
      break;
    case "host_full":
      if (volume !== null) volume.host.full = true;
      break;
    case "host_roomy":
      for (const hosts of cloud.hosts.values()) for (const host of hosts) host.full = false;
      break;
    case "region_full":
      cloud.fullRegions.add(happening.region);
      break;
    case "region_quota":
      cloud.quotaRegions.add(happening.region);
      break;
    case "regions_roomy":
      cloud.fullRegions.clear();
      cloud.quotaRegions.clear();
      break;
    case "machine_wedged":
      if (machine !== null) happenings.wedge(machine, happening.hard);
      break;
    case "machine_unwedged":
      if (machine !== null) happenings.unwedge(cloud, machine);
      break;
    case "leased":
      if (machine !== null) happenings.lease(cloud, machine, happening.ms);
      break;
    case "lists_empty":
      cloud.emptyLists(happening.ms);
      break;
    case "lists_behind":
      cloud.listLagMs = happening.ms;
      break;
    case "lists_true":
      cloud.listLagMs = 0;
      break;
    case "snapshot":
      if (volume !== null) cloud.snapshot(volume);
      break;
    case "controller":
      if (machine !== null) machine.controller = { kind: happening.how };
      break;
    case "outage":
      cloud.isOut = true;
      break;
    case "outage_over":
      cloud.isOut = false;
      break;
    case "storage_lost":
      break;
    default:
      happening satisfies never;
  }
}
