import type { FlyClient } from "../fly/client.ts";
import type { StatusView } from "./operations.ts";

export type Snapshot = { id: string; status: string | null; createdAt: string | null };

/** The snapshots of an instance's volume; `unknown` where Fly does not tell. */
export type SnapshotsResult =
  | { kind: "snapshots"; volumeId: string | null; snapshots: Snapshot[] }
  | { kind: "unknown"; retryAfterS: number }
  | { kind: "not_provisioned" };

/** Without a word of Fly's on when to ask again. */
const RETRY_AFTER_S = 10;

/** What Fly keeps of the volume that the record names; nothing of it is stored. */
export async function volumeSnapshots(view: StatusView, fly: FlyClient): Promise<SnapshotsResult> {
  const { flyAppName, flyVolumeId } = view;
  if (flyAppName === null) return { kind: "not_provisioned" };
  if (flyVolumeId === null) return { kind: "snapshots", volumeId: null, snapshots: [] };
  const listed = await fly.listSnapshots(flyAppName, flyVolumeId);
  if (!listed.ok) {
    const { error } = listed;
    const retryAfterS = error.kind === "rate_limited" ? Math.ceil(error.retryAfterMs / 1_000) : RETRY_AFTER_S;
    return { kind: "unknown", retryAfterS };
  }
  const snapshots = listed.value.map(({ id, status, created_at }) => ({
    id,
    status: status ?? null,
    createdAt: created_at ?? null,
  }));
  return { kind: "snapshots", volumeId: flyVolumeId, snapshots };
}
