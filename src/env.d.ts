import type { Env as WorkerEnv } from "./config.ts";
import type * as worker from "./worker.ts";

/** What `import { env, exports } from "cloudflare:workers"` gives in this Worker. */
declare global {
  namespace Cloudflare {
    interface Env extends WorkerEnv {}
    interface GlobalProps {
      mainModule: typeof worker;
      durableNamespaces: "KiloClawInstance";
    }
  }
}
