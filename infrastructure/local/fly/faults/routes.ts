import { Hono } from "hono";
import { z } from "zod";
import type { Cloud } from "../cloud/cloud.ts";
import { readBody } from "../http/body.ts";
import { refuse, replyOk } from "../http/reply.ts";
import { Refusal } from "../refusal.ts";
import type { Circumstances } from "./circumstances.ts";
import { happen, happeningSchema } from "./happenings.ts";
import { RandomFaults, randomSchema } from "./random.ts";
import { ruleSchema, rulesMax, type RuleBook } from "./rules.ts";

/** The faults of single calls that are in force. */
export interface FaultsInForce {
  rules: RuleBook;
  random: RandomFaults | undefined;
}

const orderSchema = z.union([z.strictObject({ rules: z.array(ruleSchema).min(1) }), randomSchema]);

/** `/_test`: faults of single calls under `/faults`, what befalls the cloud by itself under `/cloud`. */
export function testRoutes(
  cloud: Cloud,
  circumstances: Circumstances,
  faults: FaultsInForce,
  saved: () => Promise<void>,
): Hono {
  const routes = new Hono();

  routes.get("/faults", (context) => context.json(report(faults)));

  routes.post("/faults", async (context) => {
    const order = await readBody(context, orderSchema);
    if (order instanceof Refusal) return refuse(context, order);
    if (!("rules" in order)) faults.random = new RandomFaults(order);
    else if (!faults.rules.add(order.rules)) {
      return refuse(context, new Refusal(409, `there can be ${rulesMax} rules at most`));
    }
    return context.json(report(faults));
  });

  routes.delete("/faults", (context) => {
    faults.rules.clear();
    faults.random = undefined;
    return context.body(null, 204);
  });

  routes.post("/cloud", async (context) => {
    const happening = await readBody(context, happeningSchema);
    if (happening instanceof Refusal) return refuse(context, happening);
    const refused = await happen(cloud, circumstances, happening);
    await saved();
    return replyOk(context, refused);
  });

  return routes;
}

function report({ rules, random }: FaultsInForce): object {
  return {
    rules: rules.report(),
    random: random === undefined ? null : { ...random.settings, drawn: random.drawn },
  };
}
