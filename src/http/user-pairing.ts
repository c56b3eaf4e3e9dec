import { type Context, Hono } from "hono";
import type { Asked, Gateway } from "../gateway/gateway.ts";
import { parseJsonBody, parseQuery } from "./body.ts";
import type { AppEnv } from "./context.ts";
import { refuseForeignPages } from "./foreign-pages.ts";
import { approveOwnChannelSchema, approveOwnDeviceSchema, refreshQuerySchema } from "./gateway-requests.ts";
import { askMachine, machineAnswer } from "./machine-calls.ts";
import { onlyMethods } from "./problem.ts";

/** Who waits to be let in to the signed-in user's assistant, and the user's word on it; behind the guards of `userRoutes`. */
export const userPairingRoutes = new Hono<AppEnv>();

userPairingRoutes.get("/pairing", async (c) => {
  const query = parseQuery(c.req.raw, refreshQuerySchema);
  return query.kind === "refused" ? query.response : askOwn(c, (gateway) => gateway.channels(query.value));
});

userPairingRoutes.get("/device-pairing", async (c) => {
  const query = parseQuery(c.req.raw, refreshQuerySchema);
  return query.kind === "refused" ? query.response : askOwn(c, (gateway) => gateway.devices(query.value));
});

userPairingRoutes.post("/pairing/approve", refuseForeignPages, async (c) => {
  const body = await parseJsonBody(c.req.raw, approveOwnChannelSchema);
  return body.kind === "refused" ? body.response : askOwn(c, (gateway) => gateway.approveChannel(body.value));
});

userPairingRoutes.post("/device-pairing/approve", refuseForeignPages, async (c) => {
  const body = await parseJsonBody(c.req.raw, approveOwnDeviceSchema);
  return body.kind === "refused" ? body.response : askOwn(c, (gateway) => gateway.approveDevice(body.value));
});

for (const path of ["/pairing", "/device-pairing"]) {
  userPairingRoutes.all(path, onlyMethods("GET"));
  userPairingRoutes.all(`${path}/approve`, onlyMethods("POST"));
}

async function askOwn<T>(
  c: Context<AppEnv>,
  ask: (gateway: Gateway) => Promise<Asked<T>>,
): Promise<Response> {
  return machineAnswer(await askMachine(c.env, c.get("config"), c.get("userId"), ask));
}
