import type { Config } from "../config.ts";
import { openFly } from "../fly/open.ts";
import { createLogger } from "../log.ts";
import type { NamesResult } from "./operations.ts";

export type Snapshot = { id: string; status: string | null; createdAt: string | null };

/** The snapshots of an instance's volume; `unknown` where Fly does not tell. */
export type SnapshotsResult =
  | { kind: "snapshots"; volumeId: string | null; snapshots: Snapshot[] }
  | { kind: "unknown"; retryAfterS: number }
  /** Which volume it is, is still to be found. */
  | { kind: "recovering" };

const log = createLogger("snapshots");

/** Without a word of Fly's on when to ask again. */
const RETRY_AFTER_S = 10;

/** What Fly keeps of the volume that the record names. Asked by the Worker, so that a slow Fly keeps no object waiting. */
export async function volumeSnapshots(
  { appName, volumeId, isRecovering }: Extract<NamesResult, { kind: "names" }>,
  fly: Config["fly"],
): Promise<SnapshotsResult> {
  if (isRecovering) return { kind: "recovering" };
  if (volumeId === null) return { kind: "snapshots", volumeId: null, snapshots: [] };
  const listed = await openFly(fly, log).listSnapshots(appName, volumeId);
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
  return { kind: "snapshots", volumeId, snapshots };
}
