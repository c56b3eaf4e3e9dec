import { z } from "zod";

const durationMs = z.number().int().min(0);

/** How long the cloud takes for what it does, in milliseconds. */
export const timingsSchema = z.object({
  /** From the create call until the image is there and the machine can be started. */
  imagePullMs: durationMs.default(20),
  startMs: durationMs.default(10),
  stopMs: durationMs.default(10),
  suspendMs: durationMs.default(10),
  replaceMs: durationMs.default(20),
  destroyMs: durationMs.default(20),
  /** First wait before a crashed machine is started again; doubles with each crash. */
  restartBackoffMs: durationMs.default(100),
  restartBackoffMsMax: durationMs.default(5000),
  /** A destroyed machine is answered with its state for this long, then with 404. Live Fly: about a minute. */
  destroyedRetentionMs: durationMs.default(60_000),
  /** A deleted volume stays `pending_destroy` for this long. Live Fly: a day. */
  volumeRetentionMs: durationMs.default(24 * 3600 * 1000),
  /** A restored or forked volume has its data after this long at the earliest. */
  hydrateMs: durationMs.default(10),
  /** An app that is deleted can be seen for this long at least, and its name is taken. */
  appDeleteMs: durationMs.default(10),
  /** Stop and delete of a machine leased by another wait at most this long for the lease to end. */
  leaseWaitMsMax: durationMs.default(60_000),
});

/** Short by default; Fly's own are seconds to minutes, and a test of patience sets them. */
export type Timings = z.infer<typeof timingsSchema>;
