import { Hono } from "hono";
import type { z } from "zod";
import { secretsEqual } from "../auth/secrets.ts";
import type { SettingsPatch } from "../instance/operations.ts";
import {
  channelsPatchSchema,
  destroyRequestSchema,
  eventsQuerySchema,
  kilocodePatchSchema,
  provisionRequestSchema,
  secretsPatchSchema,
  userQuerySchema,
  userRequestSchema,
} from "./requests.ts";
import { operationAnswer, refusalAnswer, settingsAnswer } from "./answers.ts";
import { parseJsonBody, parseQuery } from "./body.ts";
import { type AppEnv, instanceOf, publicKeyOf, requireConfig } from "./context.ts";
import { platformGatewayRoutes } from "./platform-gateway.ts";
import { onlyMethods, problem } from "./problem.ts";

const OPERATIONS = ["start", "stop", "restart", "repair"] as const;
const INTERNAL_KEY_HEADER = "x-internal-api-key";

/** `/api/platform/*`: for the Next.js app and operators, behind the internal key. */
export const platformRoutes = new Hono<AppEnv>();

platformRoutes.use(requireConfig, async (c, next) => {
  const given = c.req.header(INTERNAL_KEY_HEADER);
  if (given === undefined) {
    return problem("unauthenticated", { detail: `Send the internal key in ${INTERNAL_KEY_HEADER}.` });
  }
  if (!(await secretsEqual(given, c.get("config").internalApiSecret))) {
    return problem("forbidden", { detail: "The internal key is not the right one." });
  }
  return next();
});

platformRoutes.post("/provision", async (c) => {
  const body = await parseJsonBody(c.req.raw, provisionRequestSchema);
  if (body.kind === "refused") return body.response;
  const result = await instanceOf(c.env, body.value.userId).provision(body.value);
  return result.kind === "provisioned"
    ? Response.json({ sandboxId: result.sandboxId }, { status: 201 })
    : refusalAnswer(result);
});

const PATCHES: Record<string, z.ZodType<SettingsPatch & { userId: string }>> = {
  "/channels": channelsPatchSchema,
  "/kilocode-config": kilocodePatchSchema,
  "/secrets": secretsPatchSchema,
};

for (const [path, schema] of Object.entries(PATCHES)) {
  platformRoutes.patch(path, async (c) => {
    const body = await parseJsonBody(c.req.raw, schema);
    if (body.kind === "refused") return body.response;
    const { userId, ...patch } = body.value;
    return settingsAnswer(await instanceOf(c.env, userId).configure(userId, patch), Date.now());
  });
  platformRoutes.all(path, onlyMethods("PATCH"));
}

/** Sealed values and the tenant's environment under new keys; the answer is that of changed settings. */
platformRoutes.post("/rotate", async (c) => {
  const body = await parseJsonBody(c.req.raw, userRequestSchema);
  if (body.kind === "refused") return body.response;
  const { userId } = body.value;
  return settingsAnswer(await instanceOf(c.env, userId).rotate(userId), Date.now());
});

/** For whom values are to be sealed, as a JWK Set (RFC 7517): the one key that is current. */
platformRoutes.get("/public-key", async (c) => {
  const key = await publicKeyOf(c.get("config"));
  return key === null ? refusalAnswer({ kind: "no_secrets_key" }) : Response.json({ keys: [key] });
});

for (const operation of OPERATIONS) {
  platformRoutes.post(`/${operation}`, async (c) => {
    const body = await parseJsonBody(c.req.raw, userRequestSchema);
    if (body.kind === "refused") return body.response;
    const { userId } = body.value;
    return operationAnswer(await instanceOf(c.env, userId)[operation](userId), Date.now());
  });
}

platformRoutes.post("/destroy", async (c) => {
  const body = await parseJsonBody(c.req.raw, destroyRequestSchema);
  if (body.kind === "refused") return body.response;
  const { userId, force } = body.value;
  return operationAnswer(await instanceOf(c.env, userId).destroy(userId, { force }), Date.now());
});

platformRoutes.get("/status", async (c) => {
  const query = parseQuery(c.req.raw, userQuerySchema);
  if (query.kind === "refused") return query.response;
  const result = await instanceOf(c.env, query.value.userId).status();
  return result.kind === "status" ? Response.json(result.view) : refusalAnswer(result);
});

platformRoutes.get("/events", async (c) => {
  const query = parseQuery(c.req.raw, eventsQuerySchema);
  if (query.kind === "refused") return query.response;
  const result = await instanceOf(c.env, query.value.userId).events(query.value.limit);
  return result.kind === "events" ? Response.json({ events: result.events }) : refusalAnswer(result);
});

for (const path of [
  "/provision",
  "/destroy",
  "/rotate",
  ...OPERATIONS.map((operation) => `/${operation}` as const),
]) {
  platformRoutes.all(path, onlyMethods("POST"));
}
for (const path of ["/status", "/events", "/public-key"]) platformRoutes.all(path, onlyMethods("GET"));

platformRoutes.route("/", platformGatewayRoutes);
