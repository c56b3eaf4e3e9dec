import type { Hono, MiddlewareHandler } from "hono";
import type { Cloud } from "../cloud/cloud.ts";
import type { ActionName } from "../http/actions.ts";
import { machinesApi } from "../http/api.ts";
import type { Circumstances } from "./circumstances.ts";
import { History } from "./history.ts";
import { FaultsInForce } from "./faults-in-force.ts";
import { interfere, type Interference } from "./interfere.ts";
import { testRoutes } from "./routes.ts";

/** What the Machines API takes in to be a faulty one. */
export interface TestMode {
  interfere(action: ActionName): MiddlewareHandler;
  testRoutes: Hono;
}

/** Faults for a cloud, under the circumstances that its machines already stand under. */
export function testMode(cloud: Cloud, circumstances: Circumstances, saved: () => Promise<void>): TestMode {
  const history = new History(cloud.store, cloud.clock);
  const faults = new FaultsInForce();
  const options = { limitsRates: false, saved };
  const parts: Interference = {
    cloud,
    circumstances,
    planFor: (call) => faults.take(call),
    plainly: async (request) => plain.fetch(request),
    asOf: async (agoMs, request) => {
      const thenMs = cloud.clock.now() - agoMs;
      const past = {
        ...cloud,
        store: history.at(thenMs),
        clock: { now: () => thenMs, after: () => () => undefined },
        log: () => undefined,
      };
      return machinesApi(past, options).fetch(request);
    },
  };
  const plain = machinesApi(cloud, {
    ...options,
    interfere: (action) => interfere({ ...parts, planFor: () => ({}) }, action),
  });
  return {
    interfere: (action) => interfere(parts, action),
    testRoutes: testRoutes(cloud, circumstances, faults, saved),
  };
}
