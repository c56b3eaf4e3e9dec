import type { Hono, MiddlewareHandler } from "hono";
import type { Cloud } from "../cloud/cloud.ts";
import type { ActionName } from "../http/actions.ts";
import { machinesApi } from "../http/api.ts";
import type { Circumstances } from "./circumstances.ts";
import { History } from "./history.ts";
import { interfere } from "./interfere.ts";
import { testRoutes, type FaultsInForce } from "./routes.ts";
import { RuleBook } from "./rules.ts";

/** What the Machines API takes in to be a faulty one. */
export interface TestMode {
  interfere(action: ActionName): MiddlewareHandler;
  testRoutes: Hono;
}

/** Faults for a cloud, under the circumstances that its machines already stand under. */
export function testMode(cloud: Cloud, circumstances: Circumstances, saved: () => Promise<void>): TestMode {
  const history = new History(cloud.store, cloud.clock);
  const faults: FaultsInForce = { rules: new RuleBook(), random: undefined };
  const options = { limitsRates: false, saved };
  const plain = machinesApi(cloud, options);
  const parts = {
    cloud,
    circumstances,
    planFor: (call: Parameters<RuleBook["take"]>[0]) => {
      const plan = faults.rules.take(call);
      const isPlain = plan.before === undefined && plan.after === undefined;
      return isPlain && faults.random !== undefined ? faults.random.draw(call.action) : plan;
    },
    plainly: async (request: Request) => plain.fetch(request),
    asOf: async (agoMs: number, request: Request) => {
      const thenMs = cloud.clock.now() - agoMs;
      const past = {
        ...cloud,
        store: history.at(thenMs),
        clock: { ...cloud.clock, now: () => thenMs, after: () => () => undefined },
        log: () => undefined,
      };
      return machinesApi(past, options).fetch(request);
    },
  };
  return {
    interfere: (action) => interfere(parts, action),
    testRoutes: testRoutes(cloud, circumstances, faults, saved),
  };
}
