import "vitest";

/** What the set-up of the `worker` test project (test/support/worker-setup.ts) hands to the tests by `inject(name)`. */
declare module "vitest" {
  export interface ProvidedContext {
    /** The registry as role kiloclaw_worker; the Worker has it as HYPERDRIVE. */
    workerDatabaseUrl: string;
    /** The registry as superuser, to arrange what a test needs. */
    adminDatabaseUrl: string;
    /** No database: what listens there accepts connections and never says anything. */
    silentDatabaseUrl: string;
    /** No database: what listens there accepts connections and hangs up at once. */
    hangUpDatabaseUrl: string;
    /** No API: whatever it is asked for, a page answers, with the status that the app's name says (`503`). */
    htmlUrl: string;
    flyApiUrl: string;
    /** Before the API; through it goes what the Worker calls, and there a test can hold a call back (test/support/fly-gate.ts). */
    flyGateUrl: string;
    flyProxyUrl: string;
    /** All variables and secrets of the Worker; the tests see them in `env` too. */
    workerBindings: WorkerBindings;
  }
}

export type WorkerBindings = Record<
  | "WORKER_ENV"
  | "FLY_API_TOKEN"
  | "FLY_APP_NAME"
  | "FLY_REGION"
  | "FLY_API_BASE_URL"
  | "FLY_PROXY_URL"
  | "FLY_REGISTRY_APP"
  | "FLY_IMAGE_TAG"
  | "NEXTAUTH_SECRET"
  | "INTERNAL_API_SECRET"
  | "GATEWAY_TOKEN_SECRET"
  | "AGENT_ENV_VARS_PRIVATE_KEY",
  string
>;
