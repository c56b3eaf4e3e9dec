import { z } from "zod";
import { isDeadline, withDeadline } from "../deadline.ts";
import { classifyFlyAnswer, type FlyError, noAnswer } from "./errors.ts";
import {
  type FlyAddress,
  flyAddressesSchema,
  type FlyApp,
  flyAppSchema,
  type FlyMachine,
  flyMachineSchema,
  type FlySnapshot,
  flySnapshotSchema,
  type FlyVolume,
  flyVolumeSchema,
  isVolumeGone,
  type MachineRequest,
} from "./schemas.ts";

export type FlyResult<T> = { ok: true; value: T } | { ok: false; error: FlyError };

/** States that the wait call accepts (docs: machines/api/machines-resource#wait-for-a-machine). */
export type AwaitableState = "started" | "stopped" | "destroyed";

/** The calls that the reconciler makes. Nothing here decides or retries: one method, one request, one result. */
export type FlyClient = {
  getMachine(app: string, id: string): Promise<FlyResult<FlyMachine>>;
  /** Live machines whose metadata has this value, newest knowledge not guaranteed (fly-machines-api.md §4.13). */
  findMachines(app: string, key: string, value: string): Promise<FlyResult<FlyMachine[]>>;
  createMachine(app: string, request: MachineRequest): Promise<FlyResult<FlyMachine>>;
  updateMachine(app: string, id: string, request: MachineRequest): Promise<FlyResult<FlyMachine>>;
  startMachine(app: string, id: string): Promise<FlyResult<null>>;
  stopMachine(app: string, id: string): Promise<FlyResult<null>>;
  /** Forced: stops it first where it runs. A machine that is gone already is `not_found`. */
  destroyMachine(app: string, id: string): Promise<FlyResult<null>>;
  /** Holds until the state is reached or `timeoutS` (1–60) is over; either way the machine is to be read again. */
  waitForMachine(
    app: string,
    id: string,
    state: AwaitableState,
    instanceId: string,
    timeoutS: number,
    signal: AbortSignal,
  ): Promise<FlyResult<null>>;
  getVolume(app: string, id: string): Promise<FlyResult<FlyVolume>>;
  /** Volumes of this name that are not on their way out. */
  findVolumes(app: string, name: string): Promise<FlyResult<FlyVolume[]>>;
  /** Empty, or with the data of a snapshot or of another volume. */
  createVolume(app: string, request: VolumeRequest): Promise<FlyResult<FlyVolume>>;
  /** A volume that is gone already is `not_found`. */
  deleteVolume(app: string, id: string): Promise<FlyResult<null>>;
  /** Fly keeps them for days after their volume is gone (fly-machines-api.md §6.2). */
  listSnapshots(app: string, volumeId: string): Promise<FlyResult<FlySnapshot[]>>;
  getApp(app: string): Promise<FlyResult<FlyApp>>;
  createApp(request: AppRequest): Promise<FlyResult<null>>;
  /** With everything in it. It may still answer for a while. */
  deleteApp(app: string): Promise<FlyResult<null>>;
  listAddresses(app: string): Promise<FlyResult<FlyAddress[]>>;
  assignAddress(app: string, type: "shared_v4" | "v6"): Promise<FlyResult<null>>;
  /** The version from which machines of the app see the secret. */
  setSecret(app: string, name: string, value: string): Promise<FlyResult<{ version: number }>>;
};

export type AppRequest = { name: string; org_slug: string; network: string };

export type VolumeRequest = {
  name: string;
  region: string;
  size_gb: number;
  snapshot_id?: string;
  source_volume_id?: string;
  /** A hint, so that the volume lands on a host that has room for its machine. */
  compute: MachineRequest["config"]["guest"];
};

export type FlyClientOptions = {
  baseUrl: string;
  token: string;
  /** Told after every call: method, path, status (null: no answer), Fly's request id and the time it took. */
  onCall: (call: FlyCall) => void;
};

export type FlyCall = {
  method: string;
  path: string;
  status: number | null;
  requestId: string | null;
  durationMs: number;
  /** What Fly said against it, with every value that was sent in an environment masked. */
  refusal: string | null;
};

const CALL_TIMEOUT_MS = 15_000;
/** Creates and updates place the machine on a host before they answer. */
const PLACE_TIMEOUT_MS = 40_000;
/** A lease of somebody else makes stop and destroy block until it expires (fly-machines-api.md §4.11). */
const BLOCKING_TIMEOUT_MS = 40_000;
/** The gateway in front of the wait call may hold an answer a little past its timeout (§4.10). */
const WAIT_GRACE_MS = 8_000;

const anySchema = z.unknown();

/** A client of the Fly Machines API (https://docs.machines.dev). Never throws for what Fly or the network does. */
export function createFlyClient(options: FlyClientOptions): FlyClient {
  const call = createCaller(options);
  const machines = (app: string): string => `/v1/apps/${encodeURIComponent(app)}/machines`;
  const volumes = (app: string): string => `/v1/apps/${encodeURIComponent(app)}/volumes`;
  const machine = (app: string, id: string): string => `${machines(app)}/${encodeURIComponent(id)}`;
  const volume = (app: string, id: string): string => `${volumes(app)}/${encodeURIComponent(id)}`;
  const application = (app: string): string => `/v1/apps/${encodeURIComponent(app)}`;
  const done = async (result: Promise<FlyResult<unknown>>): Promise<FlyResult<null>> => {
    const answer = await result;
    return answer.ok ? { ok: true, value: null } : answer;
  };
  return {
    getMachine: (app, id) => call("GET", machine(app, id), flyMachineSchema),
    findMachines: (app, key, value) =>
      call(
        "GET",
        `${machines(app)}?metadata.${encodeURIComponent(key)}=${encodeURIComponent(value)}`,
        z.array(flyMachineSchema),
      ),
    createMachine: (app, body) =>
      call("POST", machines(app), flyMachineSchema, { body, timeoutMs: PLACE_TIMEOUT_MS }),
    updateMachine: (app, id, body) =>
      call("POST", machine(app, id), flyMachineSchema, { body, timeoutMs: PLACE_TIMEOUT_MS }),
    startMachine: (app, id) => done(call("POST", `${machine(app, id)}/start`, anySchema)),
    stopMachine: (app, id) =>
      done(call("POST", `${machine(app, id)}/stop`, anySchema, { body: {}, timeoutMs: BLOCKING_TIMEOUT_MS })),
    destroyMachine: (app, id) =>
      done(call("DELETE", `${machine(app, id)}?force=true`, anySchema, { timeoutMs: BLOCKING_TIMEOUT_MS })),
    waitForMachine: (app, id, state, instanceId, timeoutS, signal) => {
      const query = new URLSearchParams({ state, timeout: String(timeoutS), instance_id: instanceId });
      return done(
        call("GET", `${machine(app, id)}/wait?${query.toString()}`, anySchema, {
          timeoutMs: timeoutS * 1_000 + WAIT_GRACE_MS,
          signal,
        }),
      );
    },
    getVolume: async (app, id) => missingIsNotFound(await call("GET", volume(app, id), flyVolumeSchema)),
    findVolumes: async (app, name) => {
      const all = await call("GET", volumes(app), z.array(flyVolumeSchema));
      if (!all.ok) return all;
      return { ok: true, value: all.value.filter((found) => found.name === name && !isVolumeGone(found)) };
    },
    createVolume: (app, body) =>
      call("POST", volumes(app), flyVolumeSchema, { body, timeoutMs: PLACE_TIMEOUT_MS }),
    deleteVolume: async (app, id) =>
      missingIsNotFound(await done(call("DELETE", volume(app, id), anySchema))),
    listSnapshots: async (app, id) =>
      missingIsNotFound(await call("GET", `${volume(app, id)}/snapshots`, z.array(flySnapshotSchema))),
    getApp: (app) => call("GET", application(app), flyAppSchema),
    createApp: (body) => done(call("POST", "/v1/apps", anySchema, { body })),
    deleteApp: (app) => done(call("DELETE", `${application(app)}?force=true`, anySchema)),
    listAddresses: async (app) => {
      const answer = await call("GET", `${application(app)}/ip_assignments`, flyAddressesSchema);
      return answer.ok ? { ok: true, value: answer.value.ips } : answer;
    },
    assignAddress: (app, type) =>
      done(call("POST", `${application(app)}/ip_assignments`, anySchema, { body: { type } })),
    setSecret: (app, name, value) =>
      call(
        "POST",
        `${application(app)}/secrets/${encodeURIComponent(name)}`,
        z.object({ version: z.number() }),
        {
          body: { value },
        },
      ),
  };
}

/** The same words that tell a create that its volume is missing, tell a call about the volume that there is none. */
function missingIsNotFound<T>(result: FlyResult<T>): FlyResult<T> {
  if (result.ok || result.error.kind !== "volume_missing") return result;
  return { ok: false, error: { ...result.error, kind: "not_found" } };
}

type CallOptions = { body?: unknown; timeoutMs?: number; signal?: AbortSignal };
type Caller = <T>(
  method: string,
  path: string,
  schema: z.ZodType<T>,
  options?: CallOptions,
) => Promise<FlyResult<T>>;

function createCaller({ baseUrl, token, onCall }: FlyClientOptions): Caller {
  return async (method, path, schema, { body, timeoutMs = CALL_TIMEOUT_MS, signal } = {}) => {
    const startedAt = Date.now();
    const report = (status: number | null, requestId: string | null, refusal: string | null): void =>
      onCall({ method, path, status, requestId, durationMs: Date.now() - startedAt, refusal });
    const exchange = async (deadline: AbortSignal): Promise<{ response: Response; text: string }> => {
      const response = await fetch(baseUrl.replace(/\/+$/, "") + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: "manual",
        signal: deadline,
      });
      return { response, text: await response.text() };
    };
    try {
      const { response, text } = await withDeadline(timeoutMs, exchange, signal);
      const { status, headers } = response;
      const error = response.ok ? null : classifyFlyAnswer(status, text, headers);
      report(status, headers.get("fly-request-id"), error && maskEnvironment(error.message, body));
      return error === null ? readAnswer(text, schema) : { ok: false, error };
    } catch (cause) {
      const error = noAnswer(describeFailure(cause, timeoutMs));
      report(null, null, error.message);
      return { ok: false, error };
    }
  };
}

/** Fly may quote what it was sent; the values of an environment are secrets. */
function maskEnvironment(text: string, body: unknown): string {
  const sent = z.object({ config: z.object({ env: z.record(z.string(), z.string()) }) }).safeParse(body);
  if (!sent.success) return text;
  return (
    Object.values(sent.data.config.env)
      .filter((value) => value.length >= 4)
      // A value that stands inside another one must not leave the rest of that readable.
      .toSorted((a, b) => b.length - a.length)
      .reduce((masked, value) => masked.replaceAll(value, "[redacted]"), text)
  );
}

/** A 2xx that can't be read took effect all the same, so its outcome is unknown, not failed. */
function readAnswer<T>(text: string, schema: z.ZodType<T>): FlyResult<T> {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return { ok: true, value: parsed.data };
  const where = parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join(".")}: ${issue.code}`);
  return { ok: false, error: noAnswer(`Fly's answer could not be read (${where.join(", ")})`) };
}

function parseJson(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describeFailure(cause: unknown, timeoutMs: number): string {
  if (isDeadline(cause)) return `Fly did not answer within ${timeoutMs / 1_000} s`;
  return "Fly could not be reached";
}
