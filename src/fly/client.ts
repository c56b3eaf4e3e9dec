import { z } from "zod";
import { createCaller, type FlyClientOptions, type FlyRequest, type FlyResult } from "./caller.ts";
import { asAnswerTo, type MeaningfulCall } from "./meaning.ts";
import { RATES } from "./rate-limit.ts";
import {
  type FlyAddress,
  flyAddressesSchema,
  type FlyApp,
  flyAppSchema,
  type FlyExecAnswer,
  flyExecAnswerSchema,
  type FlyMachine,
  flyMachineSchema,
  flyMachinesSchema,
  flySecretSchema,
  type FlySnapshot,
  flySnapshotsSchema,
  type FlyVolume,
  flyVolumeSchema,
  flyVolumesSchema,
  isVolumeGone,
  type MachineRequest,
} from "./schemas.ts";

export type { FlyCall, FlyClientOptions, FlyResult } from "./caller.ts";

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
  /** None of that name is `app_missing`; one that is another organization's is `app_name_taken`. */
  getApp(app: string): Promise<FlyResult<FlyApp>>;
  /** A name that anybody has, we ourselves included, is `app_name_taken`. */
  createApp(request: AppRequest): Promise<FlyResult<null>>;
  /** With everything in it. It may still answer for a while. One that is gone already is `app_missing`. */
  deleteApp(app: string): Promise<FlyResult<null>>;
  listAddresses(app: string): Promise<FlyResult<FlyAddress[]>>;
  /** `conflict` where the app may have one already, which the list tells. */
  assignAddress(app: string, type: "shared_v4" | "v6"): Promise<FlyResult<null>>;
  /** The version from which machines of the app see the secret. */
  setSecret(app: string, name: string, value: string): Promise<FlyResult<{ version: number }>>;
};

/** What is done inside a machine, and is no call of the reconciler. */
export type FlyExec = {
  /**
   * Runs a command, as its arguments, in a machine that runs, for at most `timeoutS`. A command that fails is an answer like any
   * other. Fly gives many commands up after some 30 seconds, and they may go on (fly-machines-api.md §4.15).
   */
  execInMachine(
    app: string,
    id: string,
    command: readonly [string, ...string[]],
    timeoutS: number,
  ): Promise<FlyResult<FlyExecAnswer>>;
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

/** Reads, and changes that only write something down. */
const CALL_TIMEOUT_MS = 15_000;
/** Creates and updates place the machine on a host before they answer. */
const PLACE_TIMEOUT_MS = 40_000;
/** A lease of somebody else makes stop and destroy block until it expires (fly-machines-api.md §4.11). */
const BLOCKING_TIMEOUT_MS = 40_000;
/** The gateway in front of the wait call may hold an answer a little past its timeout (§4.10). */
const WAIT_GRACE_MS = 8_000;
/** Fly's own word that a command took too long is worth more than our silence. */
const EXEC_GRACE_MS = 5_000;

const anySchema = z.unknown();

/** A client of the Fly Machines API (https://docs.machines.dev). Never throws for what Fly or the network does. */
export function createFlyClient(options: FlyClientOptions): FlyClient & FlyExec {
  const call = createCaller(options);
  const done = async (request: FlyRequest): Promise<FlyResult<null>> => {
    const answer = await call(request, anySchema);
    return answer.ok ? { ok: true, value: null } : answer;
  };
  return {
    getMachine: (app, id) => {
      const request = onMachine("get", app, id, "");
      return call({ ...request, rate: { ...request.rate, limit: RATES.getMachine } }, flyMachineSchema);
    },
    findMachines: (app, key, value) => {
      const query = new URLSearchParams({ [`metadata.${key}`]: value });
      return call(onApp("list_machines", app, `/machines?${query.toString()}`), flyMachinesSchema);
    },
    createMachine: async (app, body) => {
      const request = sending(body, onApp("create_machine", app, "/machines"), envOf(body));
      const result = await call({ ...request, timeoutMs: PLACE_TIMEOUT_MS }, flyMachineSchema);
      return meant("createMachine", result);
    },
    updateMachine: (app, id, body) => {
      const request = sending(body, onMachine("update", app, id, ""), envOf(body));
      return call({ ...request, timeoutMs: PLACE_TIMEOUT_MS }, flyMachineSchema);
    },
    startMachine: (app, id) => done({ ...onMachine("start", app, id, "/start"), method: "POST" }),
    stopMachine: (app, id) => {
      const request = sending({}, onMachine("stop", app, id, "/stop"));
      return done({ ...request, timeoutMs: BLOCKING_TIMEOUT_MS });
    },
    destroyMachine: (app, id) => {
      const request = onMachine("destroy", app, id, "?force=true");
      return done({ ...request, method: "DELETE", timeoutMs: BLOCKING_TIMEOUT_MS });
    },
    waitForMachine: (app, id, state, instanceId, timeoutS, signal) => {
      const query = new URLSearchParams({ state, timeout: String(timeoutS) });
      // The version by its present name and by the one that older API nodes ask for (fly-machines-api.md §4.10).
      if (instanceId !== "") for (const name of ["version", "instance_id"]) query.set(name, instanceId);
      const timeoutMs = timeoutS * 1_000 + WAIT_GRACE_MS;
      return done({ ...onMachine("wait", app, id, `/wait?${query.toString()}`), timeoutMs, signal });
    },
    execInMachine: async (app, id, command, timeoutS) => {
      const request = sending({ command, timeout: timeoutS }, onMachine("exec", app, id, "/exec"));
      const result = await call(
        { ...request, timeoutMs: timeoutS * 1_000 + EXEC_GRACE_MS },
        flyExecAnswerSchema,
      );
      return meant("execInMachine", result);
    },
    getVolume: async (app, id) =>
      meant("getVolume", await call(onVolume("get", app, id, ""), flyVolumeSchema)),
    findVolumes: async (app, name) => {
      const all = await call(onApp("list_volumes", app, "/volumes"), flyVolumesSchema);
      if (!all.ok) return all;
      return { ok: true, value: all.value.filter((found) => found.name === name && !isVolumeGone(found)) };
    },
    createVolume: (app, body) => {
      const request = sending(body, onApp("create_volume", app, "/volumes"));
      return call({ ...request, timeoutMs: PLACE_TIMEOUT_MS }, flyVolumeSchema);
    },
    deleteVolume: async (app, id) =>
      meant("deleteVolume", await done({ ...onVolume("delete", app, id, ""), method: "DELETE" })),
    listSnapshots: async (app, id) =>
      meant(
        "listSnapshots",
        await call(onVolume("list_snapshots", app, id, "/snapshots"), flySnapshotsSchema),
      ),
    getApp: async (app) => {
      const result = await call(onApp("get_app", app, ""), flyAppSchema);
      return meant("getApp", result);
    },
    createApp: async (body) => {
      const request = { ...onApp("create_app", body.name, ""), path: "/v1/apps" };
      const result = await done(sending(body, request));
      return meant("createApp", result);
    },
    deleteApp: (app) => {
      const request = onApp("delete_app", app, "?force=true");
      const rate = { action: "delete_app", of: "organization", limit: RATES.deleteApp };
      return done({ ...request, method: "DELETE", rate });
    },
    listAddresses: async (app) => {
      const answer = await call(onApp("list_addresses", app, "/ip_assignments"), flyAddressesSchema);
      return answer.ok ? { ok: true, value: answer.value.ips } : answer;
    },
    assignAddress: async (app, type) => {
      const result = await done(sending({ type }, onApp("assign_address", app, "/ip_assignments")));
      return meant("assignAddress", result);
    },
    setSecret: (app, name, value) => {
      const request = onApp("set_secret", app, `/secrets/${segment(name)}`);
      return call(sending({ value }, request, [value]), flySecretSchema);
    },
  };
}

/** A read of something in an app, from which the other requests are made. */
function onApp(action: string, app: string, rest: string): FlyRequest {
  const path = `/v1/apps/${segment(app)}${rest}`;
  const rate = { action, of: app, limit: RATES.action };
  return { method: "GET", path, app, rate, timeoutMs: CALL_TIMEOUT_MS };
}

function onMachine(action: string, app: string, id: string, rest: string): FlyRequest {
  const request = onApp(`${action}_machine`, app, `/machines/${segment(id)}${rest}`);
  return { ...request, rate: { ...request.rate, of: id } };
}

function onVolume(action: string, app: string, id: string, rest: string): FlyRequest {
  const request = onApp(`${action}_volume`, app, `/volumes/${segment(id)}${rest}`);
  return { ...request, rate: { ...request.rate, of: id } };
}

/**
 * One part of a path. A name that a URL would resolve away can't come from Fly or from us; with it, the delete of a machine would
 * be one of its app.
 */
function segment(name: string): string {
  if (/^\.{0,2}$/.test(name)) throw new RangeError(`"${name}" is no name`);
  return encodeURIComponent(name);
}

function sending(body: unknown, request: FlyRequest, secrets: string[] = []): FlyRequest {
  return { ...request, method: "POST", body, secrets };
}

function envOf({ config }: MachineRequest): string[] {
  return Object.values(config.env);
}

function meant<T>(call: MeaningfulCall, result: FlyResult<T>): FlyResult<T> {
  return result.ok ? result : { ok: false, error: asAnswerTo(call, result.error) };
}
