import { describe, onTestFinished } from "vitest";
import type { Happening, ServedCloud } from "../../conformance/cloud.ts";
import { describeConformance } from "../../conformance/suite.ts";
import { VirtualClock } from "../clock.ts";
import { serveCloud } from "../serve.ts";
import { Cloud } from "./cloud.ts";
import * as happenings from "./happenings.ts";
import type { Machine, Volume } from "./model.ts";
import { CALM } from "./world.ts";

describe("the simulated cloud", () => {
  describeConformance(startSimulatedCloud);
});

async function startSimulatedCloud(): Promise<ServedCloud> {
  const clock = new VirtualClock();
  const cloud = new Cloud(clock, CALM, 1);
  const server = await serveCloud(cloud);
  onTestFinished(() => server.close());
  return {
    baseUrl: server.baseUrl,
    token: "test",
    now: () => clock.now(),
    async advance(ms) {
      const until = clock.now() + ms;
      while (clock.advance(until));
    },
    async happen(happening) {
      happen(cloud, happening);
    },
  };
}

function happen(cloud: Cloud, happening: Happening): void {
  switch (happening.kind) {
    case "region_full":
      (happening.why === "quota" ? cloud.quotaRegions : cloud.fullRegions).add(happening.region);
      break;
    case "host_full":
      volumeOf(cloud, happening.volume).host.full = true;
      break;
    case "host_down":
      happenings.hostAway(cloud, machineOf(cloud, happening.machine));
      break;
    case "host_up":
      happenings.hostBack(cloud, machineOf(cloud, happening.machine).host);
      break;
    case "leased":
      happenings.lease(cloud, machineOf(cloud, happening.machine), happening.forMs);
      break;
    case "machine_dies":
      happenings.machineDies(cloud, machineOf(cloud, happening.machine));
      break;
    case "machine_lost":
      happenings.machineLost(cloud, machineOf(cloud, happening.machine));
      break;
    case "volume_lost":
      happenings.volumeLost(cloud, volumeOf(cloud, happening.volume));
      break;
    case "wedged":
      happenings.wedge(machineOf(cloud, happening.machine), false);
      break;
    case "foreign_app":
      cloud.strangersApps.add(happening.app);
      break;
    case "lists_behind":
      cloud.listLagMs = happening.byMs;
      break;
    default:
      happening satisfies never;
  }
}

function machineOf(cloud: Cloud, id: string): Machine {
  const found = cloud.allMachines().find((machine) => machine.id === id);
  if (found === undefined) throw new Error(`there is no machine ${id}`);
  return found;
}

function volumeOf(cloud: Cloud, id: string): Volume {
  const found = cloud.allVolumes().find((volume) => volume.id === id);
  if (found === undefined) throw new Error(`there is no volume ${id}`);
  return found;
}
