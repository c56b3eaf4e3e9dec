import type { OpenClawVersion } from "../../docker/openclaw.ts";
import type { Environment } from "./environment.ts";
import type { Logs } from "./logs.ts";
import type { Parts } from "./parts.ts";
import type { LocalPaths } from "./paths.ts";
import type { Secrets } from "./secrets.ts";
import type { Step } from "./steps.ts";

/** Everything listens here and nowhere else: this is one person's computer, and not a server. */
export const HOST = "127.0.0.1";

/** What every part of a start works with. */
export interface Context {
  readonly environment: Environment;
  readonly secrets: Secrets;
  readonly paths: LocalPaths;
  readonly logs: Logs;
  readonly parts: Parts;
  readonly step: Step;
  readonly workerPort: number;
  readonly openclaw: OpenClawVersion;
  /** Aborts when everything is to end. */
  readonly stopping: AbortSignal;
}
