import type { StartCloud } from "./cloud.ts";
import { describeApps } from "./suite/apps.ts";
import { describeMachines } from "./suite/machines.ts";
import { describeMisfortunes } from "./suite/misfortunes.ts";
import { describeVolumes } from "./suite/volumes.ts";
import { describeWaits } from "./suite/waits.ts";

/** What a cloud must do to stand for Fly before a control plane, over the wire alone. */
export function describeConformance(start: StartCloud): void {
  describeApps(start);
  describeMachines(start);
  describeWaits(start);
  describeVolumes(start);
  describeMisfortunes(start);
}
