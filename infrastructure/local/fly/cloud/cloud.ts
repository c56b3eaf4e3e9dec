import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Store } from "../state/store.ts";
import type { Timings } from "../timings.ts";
import type { Lifecycle } from "./lifecycle.ts";

/** What every operation works with. */
export interface Cloud {
  readonly store: Store;
  readonly clock: Clock;
  readonly timings: Timings;
  readonly runtime: Runtime;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
  readonly rules: Rules;
  /** Fires when the local Fly ends: what is half done stays so, and is gone on with next time. */
  readonly closing: AbortSignal;
}

export interface Rules {
  /** The region that a caller is near to. */
  nearestRegion: string;
  /** `wait` for `stopped` without a version is refused, as live Fly was seen to do (but not always). */
  strictWait: boolean;
}
