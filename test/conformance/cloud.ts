import { z } from "zod";
import { loadFlySpec, type FlySpec } from "../../infrastructure/local/fly/testing/openapi.ts";

/** A Fly that is served over HTTP and whose time goes by when it is told to. */
export interface ServedCloud {
  /** The base of the Machines API, without `/v1`. */
  baseUrl: string;
  token: string;
  now(): number;
  advance(ms: number): Promise<void>;
  happen(happening: Happening): Promise<void>;
}

/** Something that befalls a cloud by itself. */
export type Happening =
  | { kind: "region_full"; region: string; why: "capacity" | "quota" }
  | { kind: "host_full"; volume: string }
  | { kind: "host_down"; machine: string }
  | { kind: "host_up"; machine: string }
  | { kind: "leased"; machine: string; forMs: number }
  | { kind: "machine_dies"; machine: string }
  | { kind: "machine_lost"; machine: string }
  | { kind: "volume_lost"; volume: string }
  /** It does not come to be `stopped`, whatever it is told, until it is destroyed by force. */
  | { kind: "wedged"; machine: string }
  | { kind: "foreign_app"; app: string }
  /** From then on, and for the rest of the test. */
  | { kind: "lists_behind"; byMs: number };

export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** Starts a cloud for one test, and ends it with the test. */
export type StartCloud = () => Promise<ServedCloud>;

interface CallOptions {
  query?: string;
  body?: unknown;
}

const errorSchema = z.object({ error: z.string(), status: z.string().optional() });
const machineSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  state: z.string(),
  region: z.string(),
  instance_id: z.string(),
  host_status: z.string(),
  events: z.array(z.looseObject({ type: z.string(), status: z.string(), source: z.string() })),
  config: z.looseObject({ mounts: z.array(z.looseObject({ volume: z.string() })).optional() }).optional(),
});
export type WireMachine = z.infer<typeof machineSchema>;
const volumeSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  region: z.string(),
  attached_machine_id: z.string().nullable(),
});
export type WireVolume = z.infer<typeof volumeSchema>;
const snapshotSchema = z.looseObject({ id: z.string(), status: z.string() });

/** How long a test waits for what a cloud does by itself, in the cloud's own time. */
const patienceMsMax = 20 * 60_000;

let loadedSpec: Promise<FlySpec> | undefined;

/** A cloud with a client that holds every request and answer against Fly's OpenAPI spec, and has an app named `acme`. */
export class CheckedCloud {
  readonly served: ServedCloud;
  readonly #spec: FlySpec;

  private constructor(served: ServedCloud, spec: FlySpec) {
    this.served = served;
    this.#spec = spec;
  }

  static async start(start: StartCloud): Promise<CheckedCloud> {
    loadedSpec ??= loadFlySpec();
    const cloud = new CheckedCloud(await start(), await loadedSpec);
    const made = await cloud.call("POST", "/apps", {
      body: { name: "acme", org_slug: "kilo", network: "net-acme" },
    });
    if (made.status !== 201) throw new Error(`The app was not made: ${JSON.stringify(made.body)}`);
    return cloud;
  }

  /** Calls by a path such as `/apps/acme/machines/{id}`; what it names is known from its place. */
  async call(method: string, path: string, { query = "", body }: CallOptions = {}): Promise<Answer> {
    const template = templateOf(path);
    const deviations = body === undefined ? [] : this.#spec.deviationsOfRequest(method, template, body);
    const response = await fetch(`${this.served.baseUrl}/v1${path}${query}`, {
      method,
      headers: { authorization: `Bearer ${this.served.token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer = {
      status: response.status,
      headers: response.headers,
      body: text === "" ? "" : JSON.parse(text),
    };
    deviations.push(...this.#spec.deviationsOfAnswer(method, template, answer));
    if (deviations.length > 0) throw new Error(deviations.join("\n"));
    return answer;
  }

  /** Status and error text (and code, where there is one) of a call that is refused. */
  async refusal(method: string, path: string, options?: CallOptions): Promise<[number, ...string[]]> {
    const answer = await this.call(method, path, options);
    const { error, status } = errorSchema.parse(answer.body);
    return status === undefined ? [answer.status, error] : [answer.status, error, status];
  }

  async ok(method: string, path: string, options?: CallOptions): Promise<unknown> {
    const answer = await this.call(method, path, options);
    if (answer.status !== 200) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async machine(id: string): Promise<WireMachine> {
    return machineSchema.parse(await this.ok("GET", `${machines}/${id}`));
  }

  async volume(id: string): Promise<WireVolume> {
    return volumeSchema.parse(await this.ok("GET", `${volumes}/${id}`));
  }

  async list(query = ""): Promise<WireMachine[]> {
    return z.array(machineSchema).parse(await this.ok("GET", machines, { query }));
  }

  async listVolumes(): Promise<WireVolume[]> {
    return z.array(volumeSchema).parse(await this.ok("GET", volumes));
  }

  async snapshots(volume: string): Promise<z.infer<typeof snapshotSchema>[]> {
    return z.array(snapshotSchema).parse(await this.ok("GET", `${volumes}/${volume}/snapshots`));
  }

  async create(request: MachineRequest = {}): Promise<WireMachine> {
    return machineSchema.parse(await this.ok("POST", machines, { body: createBody(request) }));
  }

  async createVolume(request: Record<string, unknown> = {}): Promise<WireVolume> {
    return volumeSchema.parse(
      await this.ok("POST", volumes, { body: { name: "kc_1", region: "ams", size_gb: 3, ...request } }),
    );
  }

  /** A machine that is up, on a volume of its own. */
  async started(request: MachineRequest = {}): Promise<{ machine: WireMachine; volume: WireVolume }> {
    const volume = await this.createVolume();
    const machine = await this.create({ name: "one", volume: volume.id, ...request });
    await this.until(machine, "started");
    return { machine: await this.machine(machine.id), volume };
  }

  /** Lets time go by until the machine is in the state. */
  async until(machine: { id: string }, state: string): Promise<void> {
    await this.eventually(`machine in state ${state}`, async () => {
      const answer = await this.call("GET", `${machines}/${machine.id}`);
      // Fly forgets a destroyed machine after a while (fly-machines-api.md §4.3).
      if (answer.status === 404) return state === "destroyed";
      return machineSchema.parse(answer.body).state === state;
    });
  }

  async destroyed(machine: { id: string }): Promise<void> {
    await this.ok("DELETE", `${machines}/${machine.id}`, { query: "?force=true" });
    await this.until(machine, "destroyed");
  }

  /** Lets time go by until something holds. */
  async eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
    const endMs = this.served.now() + patienceMsMax;
    while (!(await holds())) {
      if (this.served.now() >= endMs) throw new Error(`It never came to be: ${what}`);
      await this.served.advance(1000);
    }
  }

  /** Lets time go by until the call is answered. */
  async meanwhile<T>(call: Promise<T>): Promise<T> {
    const answered = new AbortController();
    const settled = call.finally(() => answered.abort());
    const endMs = this.served.now() + patienceMsMax;
    while (!answered.signal.aborted && this.served.now() < endMs) {
      await this.served.advance(250);
      // The network is not of the cloud's time.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return settled;
  }
}

export const machines = "/apps/acme/machines";
export const volumes = "/apps/acme/volumes";
export const image = `registry.fly.io/acme@sha256:${"0".repeat(64)}`;

export interface MachineRequest {
  name?: string;
  region?: string;
  volume?: string;
  metadata?: Record<string, string>;
  env?: Record<string, string>;
  [field: string]: unknown;
}

/** The body of a create or update as a control plane sends it. */
export function createBody({ volume, metadata, env, ...rest }: MachineRequest): Record<string, unknown> {
  return {
    region: "ams",
    ...rest,
    config: {
      image,
      env: { PORT: "8080", ...env },
      guest: { cpu_kind: "shared", cpus: 2, memory_mb: 2048 },
      metadata: { owner: "u1", ...metadata },
      restart: { policy: "no" },
      ...(volume === undefined ? {} : { mounts: [{ volume, path: "/root" }] }),
    },
  };
}

function templateOf(path: string): string {
  return path
    .replace(/^\/apps\/[^/]+/, "/apps/{app_name}")
    .replace(/\/machines\/[^/]+/, "/machines/{machine_id}")
    .replace(/\/volumes\/[^/]+/, "/volumes/{volume_id}")
    .replace(/\/secrets\/[^/]+/, "/secrets/{secret_name}");
}
