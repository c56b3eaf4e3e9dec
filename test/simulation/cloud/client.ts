import type { FlyClient, FlyResult } from "../../../src/fly/client.ts";
import { asAnswerTo, type MeaningfulCall } from "../../../src/fly/meaning.ts";
import { isVolumeGone } from "../../../src/fly/schemas.ts";
import type { Handled } from "./answers.ts";
import * as apps from "./apps.ts";
import type { Cloud } from "./cloud.ts";
import * as machines from "./machines.ts";
import * as volumes from "./volumes.ts";
import { waitForMachine } from "./waiting.ts";

/** The calls of the client under their names there; `create` and the like change something, the others only look. */
export type Action = keyof FlyClient;

/** One call on its way to the cloud. */
export type Call<T> = {
  action: Action;
  method: "GET" | "POST" | "DELETE";
  /** As on the wire; made only where somebody reads it. */
  path: () => string;
  app: string;
  /** The machine, volume or app that it is about; null for a list or a create. */
  subject: string | null;
  body: unknown;
  /** How long the caller waits, as in src/fly/client.ts. */
  timeoutMs: number;
  signal: AbortSignal | null;
  /** What the call does, in the moment in which it reaches the cloud. */
  effect: () => Handled<T>;
};

export type Transport = <T>(call: Call<T>) => Promise<FlyResult<T>>;

const CALL_MS = 15_000;
const PLACE_MS = 40_000;
const BLOCKING_MS = 40_000;
const WAIT_GRACE_MS = 8_000;

/** The cloud where the client of the real one would be. Requests and answers take no detour over JSON; errors are sorted by the real table. */
export function createCloudClient(cloud: Cloud, transport: Transport): FlyClient {
  const call = <T>(
    action: Action,
    method: Call<T>["method"],
    app: string,
    path: string,
    subject: string | null,
    effect: () => Handled<T>,
    {
      body = null,
      timeoutMs = CALL_MS,
      signal = null,
    }: Partial<Pick<Call<T>, "body" | "timeoutMs" | "signal">> = {},
  ): Promise<FlyResult<T>> =>
    transport({
      action,
      method,
      path: () => `/v1/apps/${app}${path}`,
      app,
      subject,
      body,
      timeoutMs,
      signal,
      effect,
    });
  return {
    getMachine: (app, id) =>
      call("getMachine", "GET", app, `/machines/${id}`, id, () => machines.getMachine(cloud, app, id)),
    findMachines: (app, key, value) =>
      call("findMachines", "GET", app, `/machines?metadata.${key}=${value}`, null, () =>
        machines.listMachines(cloud, app, { key, value }),
      ),
    createMachine: async (app, body) =>
      meant(
        "createMachine",
        await call(
          "createMachine",
          "POST",
          app,
          "/machines",
          null,
          () => machines.createMachine(cloud, app, body, true),
          {
            body,
            timeoutMs: PLACE_MS,
          },
        ),
      ),
    updateMachine: (app, id, body) =>
      call(
        "updateMachine",
        "POST",
        app,
        `/machines/${id}`,
        id,
        () => machines.updateMachine(cloud, app, id, body),
        {
          body,
          timeoutMs: PLACE_MS,
        },
      ),
    startMachine: async (app, id) =>
      done(
        await call("startMachine", "POST", app, `/machines/${id}/start`, id, () =>
          machines.startMachine(cloud, app, id),
        ),
      ),
    stopMachine: async (app, id) =>
      done(
        await call(
          "stopMachine",
          "POST",
          app,
          `/machines/${id}/stop`,
          id,
          () => machines.stopMachine(cloud, app, id),
          {
            timeoutMs: BLOCKING_MS,
          },
        ),
      ),
    destroyMachine: async (app, id) =>
      done(
        await call(
          "destroyMachine",
          "DELETE",
          app,
          `/machines/${id}?force=true`,
          id,
          () => machines.destroyMachine(cloud, app, id, true),
          { timeoutMs: BLOCKING_MS },
        ),
      ),
    waitForMachine: async (app, id, state, instanceId, timeoutS, signal) =>
      done(
        await call(
          "waitForMachine",
          "GET",
          app,
          `/machines/${id}/wait?state=${state}&timeout=${timeoutS}&instance_id=${instanceId}`,
          id,
          () => waitForMachine(cloud, app, id, state, instanceId, timeoutS),
          { timeoutMs: timeoutS * 1_000 + WAIT_GRACE_MS, signal },
        ),
      ),
    getVolume: async (app, id) =>
      meant(
        "getVolume",
        await call("getVolume", "GET", app, `/volumes/${id}`, id, () => volumes.getVolume(cloud, app, id)),
      ),
    findVolumes: async (app, name) => {
      const all = await call("findVolumes", "GET", app, "/volumes", null, () =>
        volumes.listVolumes(cloud, app),
      );
      if (!all.ok) return all;
      return { ok: true, value: all.value.filter((found) => found.name === name && !isVolumeGone(found)) };
    },
    createVolume: (app, body) =>
      call(
        "createVolume",
        "POST",
        app,
        "/volumes",
        null,
        () => volumes.createVolume(cloud, app, body, true),
        {
          body,
          timeoutMs: PLACE_MS,
        },
      ),
    deleteVolume: async (app, id) =>
      meant(
        "deleteVolume",
        done(
          await call("deleteVolume", "DELETE", app, `/volumes/${id}`, id, () =>
            volumes.deleteVolume(cloud, app, id),
          ),
        ),
      ),
    listSnapshots: async (app, id) =>
      meant(
        "listSnapshots",
        await call("listSnapshots", "GET", app, `/volumes/${id}/snapshots`, id, () =>
          volumes.listSnapshots(cloud, app, id),
        ),
      ),
    getApp: async (app) =>
      meant("getApp", await call("getApp", "GET", app, "", app, () => apps.getApp(cloud, app))),
    createApp: async (body) =>
      meant(
        "createApp",
        done(
          await call("createApp", "POST", body.name, "", null, () => apps.createApp(cloud, body), { body }),
        ),
      ),
    deleteApp: async (app) =>
      done(await call("deleteApp", "DELETE", app, "?force=true", app, () => apps.deleteApp(cloud, app))),
    listAddresses: async (app) => {
      const answer = await call("listAddresses", "GET", app, "/ip_assignments", app, () =>
        apps.listAddresses(cloud, app),
      );
      return answer.ok ? { ok: true, value: answer.value.ips } : answer;
    },
    assignAddress: async (app, type) =>
      meant(
        "assignAddress",
        done(
          await call(
            "assignAddress",
            "POST",
            app,
            "/ip_assignments",
            app,
            () => apps.assignAddress(cloud, app, type),
            {
              body: { type },
            },
          ),
        ),
      ),
    setSecret: (app, name, value) =>
      call("setSecret", "POST", app, `/secrets/${name}`, app, () => apps.setSecret(cloud, app, name, value), {
        body: { value },
      }),
  };
}

function done(answer: FlyResult<unknown>): FlyResult<null> {
  return answer.ok ? { ok: true, value: null } : answer;
}

/** As in src/fly/client.ts: some errors mean something else as the answer to just this call. */
function meant<T>(call: MeaningfulCall, result: FlyResult<T>): FlyResult<T> {
  return result.ok ? result : { ok: false, error: asAnswerTo(call, result.error) };
}
