import { env } from "cloudflare:workers";
import { inject } from "vitest";
import { createFlyClient, type FlyClient, type FlyResult } from "../../fly/client.ts";
import { METADATA_GENERATION, METADATA_SANDBOX, METADATA_USER, VOLUME_PATH } from "../names.ts";
import type { MountOptions } from "../observation.ts";
import type { InstanceState } from "../state.ts";
import { callsIn, type GateCall } from "./gate.ts";
import { record } from "./records.ts";

const TOKEN = env.FLY_API_TOKEN ?? "";

/** A fault of single calls in one app, in the words of the local Fly (infrastructure/local/fly/faults/rules.ts). */
export type Fault = {
  action: string;
  effect: { kind: string } & Record<string, unknown>;
  phase?: "before" | "after";
  skip?: number;
  times?: number;
};

/** An app of the test's own at the local Fly, and what a record in it sees by the real wire. */
export type AppAtFly = {
  app: string;
  /** Through the gate, which notes the calls. */
  fly: FlyClient;
  record: (fields?: Partial<InstanceState>) => InstanceState;
  /** Of this record's tenant, unless another user is named; on that volume, where one is named. Gives the id when it is up. */
  machine: (options?: MachineOptions) => Promise<string>;
  volume: (name?: string) => Promise<string>;
  fault: (...faults: Fault[]) => Promise<void>;
  /** Lets something befall what has an id (infrastructure/local/fly/faults/happenings.ts). */
  happen: (happening: { kind: string } & Record<string, unknown>) => Promise<void>;
  calls: () => Promise<GateCall[]>;
};

export type MachineOptions = {
  name?: string;
  userId?: string;
  sandboxId?: string;
  volume?: string;
  path?: string;
  generation?: number;
  guest?: { cpu_kind: string; cpus: number; memory_mb: number };
  /** Beside those that every machine of ours has. */
  metadata?: Record<string, string>;
  mountOptions?: MountOptions;
};

export async function appAtFly(name: string): Promise<AppAtFly> {
  const app = `kc-wire-${name}`;
  const fly = createFlyClient({
    baseUrl: inject("flyGateUrl"),
    token: TOKEN,
    rateLimits: false,
    onCall: () => undefined,
  });
  const own = { userId: `user-${name}`, sandboxId: `sandbox-${name}`, volumeName: "kc_volume", appName: app };
  valueOf(await fly.createApp({ name: app, org_slug: "personal", network: app }));
  const guest = { cpu_kind: "shared", cpus: 1, memory_mb: 512 } as const;
  return {
    app,
    fly,
    record: (fields = {}) => record({ ...own, ...fields }),
    async machine(options = {}) {
      const { userId = own.userId, sandboxId = own.sandboxId, path = VOLUME_PATH, volume } = options;
      const made = await fly.createMachine(app, {
        name: options.name ?? sandboxId,
        region: "ams",
        config: {
          image: "registry.fly.io/app:tag",
          env: {},
          guest: options.guest ?? guest,
          mounts: volume === undefined ? [] : [{ ...options.mountOptions, volume, path }],
          services: [],
          metadata: {
            ...options.metadata,
            [METADATA_USER]: userId,
            [METADATA_SANDBOX]: sandboxId,
            [METADATA_GENERATION]: String(options.generation ?? 1),
          },
          restart: { policy: "on-failure" },
          stop_config: { signal: "SIGTERM", timeout: "1s" },
        },
      });
      const { id, instance_id: version = "" } = valueOf(made);
      valueOf(await fly.waitForMachine(app, id, "started", version, 10, new AbortController().signal));
      return id;
    },
    async volume(volumeName = own.volumeName) {
      const made = await fly.createVolume(app, {
        name: volumeName,
        region: "ams",
        size_gb: 1,
        compute: guest,
      });
      return valueOf(made).id;
    },
    fault: (...faults) => faultIn(app, ...faults),
    happen: (happening) => test("cloud", happening),
    calls: () => callsIn(app),
  };
}

/** Lets calls in the app go wrong, in this order. */
export function faultIn(app: string, ...faults: Fault[]): Promise<void> {
  const rules = faults.map(({ action, ...rule }) => Object.assign({ match: { action, app } }, rule));
  return test("faults", { rules });
}

export function valueOf<T>(result: FlyResult<T>): T {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

async function test(path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${inject("flyApiUrl")}/_test/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
}
