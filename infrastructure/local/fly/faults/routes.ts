import { Hono } from "hono";
import { z } from "zod";
import type { Cloud } from "../cloud/cloud.ts";
import { readBody } from "../http/body.ts";
import { refuse, replyOk } from "../http/reply.ts";
import { Refusal } from "../refusal.ts";
import type { Circumstances } from "./circumstances.ts";
import { happen, happeningSchema } from "./happenings.ts";
import { faultsMax, type FaultsInForce } from "./faults-in-force.ts";
import { randomSchema } from "./random.ts";
import { ruleSchema } from "./rules.ts";

const orderSchema = z.union([z.strictObject({ rules: z.array(ruleSchema).min(1) }), randomSchema]);

/** `/_test`: faults of single calls under `/faults`, what befalls the cloud by itself under `/cloud`. */
export function testRoutes(
  cloud: Cloud,
  circumstances: Circumstances,
  faults: FaultsInForce,
  saved: () => Promise<void>,
): Hono {
  const routes = new Hono();

  routes.get("/faults", (context) => context.json(faults.report()));

  routes.post("/faults", async (context) => {
    const order = await readBody(context, orderSchema);
    if (order instanceof Refusal) return refuse(context, order);
    const ids = "rules" in order ? faults.add(order.rules) : faults.add([], order);
    return ids === undefined
      ? refuse(context, new Refusal(409, `there can be ${faultsMax} faults at most`))
      : context.json({ ids });
  });

  routes.delete("/faults", (context) => {
    faults.clear();
    return context.body(null, 204);
  });

  routes.delete("/faults/:id", (context) =>
    faults.delete(context.req.param("id"))
      ? context.body(null, 204)
      : refuse(context, new Refusal(404, "fault not found")),
  );

  routes.post("/cloud", async (context) => {
    const happening = await readBody(context, happeningSchema);
    if (happening instanceof Refusal) return refuse(context, happening);
    const refused = await happen(cloud, circumstances, happening);
    await saved();
    return replyOk(context, refused);
  });

  return routes;
}
