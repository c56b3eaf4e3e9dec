import { type Context, Hono } from "hono";
import { type Parsed, parseJsonBody, parseQuery } from "./body.ts";
import type { AppEnv } from "./context.ts";
import { askMachine, machineAnswer, type MachineCall, machineCalls as calls } from "./machine-calls.ts";
import { gatewayTokenAnswer, gatewayTokenOf, snapshotsAnswer, snapshotsOf } from "./machine-facts.ts";
import { onlyMethods } from "./problem.ts";
import { userQuerySchema } from "./requests.ts";

/** What the platform asks of an instance's machine, behind the guards of `platformRoutes`. */
export const platformGatewayRoutes = new Hono<AppEnv>();
const routes = platformGatewayRoutes;

routes.get("/pairing", (c) => read(c, calls.pairing));
routes.get("/device-pairing", (c) => read(c, calls.devicePairing));
routes.get("/doctor", (c) => read(c, calls.doctor));
routes.get("/controller-version", (c) => read(c, calls.controllerVersion));
routes.get("/gateway", (c) => read(c, calls.gatewayStatus));
routes.get("/gateway/logs", (c) => read(c, calls.gatewayLogs));
routes.get("/config-report", (c) => read(c, calls.configReport));

routes.post("/pairing/approve", (c) => act(c, calls.approvePairing));
routes.post("/device-pairing/approve", (c) => act(c, calls.approveDevicePairing));
routes.post("/doctor", (c) => act(c, calls.runDoctor, 202));
routes.delete("/doctor", (c) => read(c, calls.cancelDoctor, 202));
routes.post("/gateway/start", (c) => act(c, calls.startGateway, 202));
routes.post("/gateway/stop", (c) => act(c, calls.stopGateway, 202));
routes.post("/gateway/restart", (c) => act(c, calls.restartGateway, 202));

routes.get("/gateway-token", async (c) => {
  const query = parseQuery(c.req.raw, userQuerySchema);
  if (query.kind === "refused") return query.response;
  return gatewayTokenAnswer(await gatewayTokenOf(c.env, c.get("config"), query.value.userId));
});

routes.get("/volume-snapshots", async (c) => {
  const query = parseQuery(c.req.raw, userQuerySchema);
  if (query.kind === "refused") return query.response;
  return snapshotsAnswer(await snapshotsOf(c.env, c.get("config"), query.value.userId));
});

const READ_ONLY = [
  "/pairing",
  "/device-pairing",
  "/controller-version",
  "/gateway",
  "/gateway/logs",
  "/config-report",
  "/gateway-token",
  "/volume-snapshots",
];
for (const path of READ_ONLY) routes.all(path, onlyMethods("GET"));
for (const path of [
  "/pairing/approve",
  "/device-pairing/approve",
  "/gateway/start",
  "/gateway/stop",
  "/gateway/restart",
]) {
  routes.all(path, onlyMethods("POST"));
}
routes.all("/doctor", onlyMethods("GET, POST, DELETE"));

async function read<I extends { userId: string }, T>(
  c: Context<AppEnv>,
  call: MachineCall<I, T>,
  status = 200,
): Promise<Response> {
  return ask(c, call, parseQuery(c.req.raw, call.schema), status);
}

async function act<I extends { userId: string }, T>(
  c: Context<AppEnv>,
  call: MachineCall<I, T>,
  status = 200,
): Promise<Response> {
  return ask(c, call, await parseJsonBody(c.req.raw, call.schema), status);
}

async function ask<I extends { userId: string }, T>(
  c: Context<AppEnv>,
  call: MachineCall<I, T>,
  input: Parsed<I>,
  status: number,
): Promise<Response> {
  if (input.kind === "refused") return input.response;
  const { value } = input;
  const work = askMachine(c.env, c.get("config"), value.userId, (gateway) => call.ask(gateway, value));
  return machineAnswer(await work, status);
}
