import { appNameOf } from "../../../src/instance/names.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { createMachine } from "../cloud/machines.ts";
import { createVolume } from "../cloud/volumes.ts";
import { ORG, SANDBOX_ID, SHARED_APP, USER_ID, VOLUME_NAME } from "./object.ts";
import type { Setup } from "./plan.ts";

/** Who was there before: in the shared app tenants with names that are nearly ours, and at Fly owners of the names that ours could have. */
export function settleNeighbours(cloud: Cloud, { ownApp, namesTaken }: Setup): void {
  for (let count = 0; count < namesTaken; count += 1) cloud.strangersApps.add(appNameOf(USER_ID, count));
  if (ownApp) return;
  cloud.makeApp(SHARED_APP, ORG, "default");
  const volume = createVolume(cloud, SHARED_APP, { name: VOLUME_NAME.slice(0, -1), region: "ams" }, false);
  if (!volume.ok) throw new Error("the neighbour found no room");
  const metadata = { kiloclaw_user_id: `${USER_ID}2`, kiloclaw_sandbox_id: `${SANDBOX_ID}2` };
  const mounts = [{ volume: volume.body.id, path: "/root" }];
  const config = { image: "registry.fly.io/app:tag", metadata, mounts };
  createMachine(cloud, SHARED_APP, { name: `${SANDBOX_ID}2`, region: "ams", config }, false);
}
