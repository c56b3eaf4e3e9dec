import { Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { operationAnswer, refusalAnswer } from "./answers.ts";
import { type AppEnv, instanceOf, requireConfig, requireUser } from "./context.ts";
import { isSameOrigin } from "./negotiation.ts";
import { onlyMethods, problem } from "./problem.ts";

const EVENTS_SHOWN = 100;

/** A page of somebody else must not act with the cookie of the user who visits it. */
const refuseForeignPages = createMiddleware<AppEnv>(async (c, next) => {
  const byCookie = c.get("authenticatedBy") === "cookie";
  if (byCookie && !isSameOrigin(c.req.raw, c.get("config").machineDefaults.allowedOrigins)) {
    return problem("forbidden", { detail: "The request comes from a page of another origin." });
  }
  return next();
});

/** `/api/kiloclaw/*`: the signed-in user's own view of the instance, and its start and stop. */
export const userRoutes = new Hono<AppEnv>();
userRoutes.use(requireConfig, requireUser);

userRoutes.get("/status", async (c) => {
  const result = await instanceOf(c.env, c.get("userId")).status();
  return result.kind === "status" ? noStore(Response.json(result.view)) : refusalAnswer(result);
});

userRoutes.get("/config", async (c) => {
  const result = await instanceOf(c.env, c.get("userId")).config();
  return result.kind === "config" ? noStore(Response.json(result.view)) : refusalAnswer(result);
});

userRoutes.get("/events", async (c) => {
  const result = await instanceOf(c.env, c.get("userId")).events(EVENTS_SHOWN);
  return result.kind === "events" ? noStore(Response.json({ events: result.events })) : refusalAnswer(result);
});

for (const operation of ["start", "stop"] as const) {
  userRoutes.post(`/${operation}`, refuseForeignPages, async (c) =>
    operationAnswer(await instanceOf(c.env, c.get("userId"))[operation](c.get("userId")), Date.now()),
  );
}

for (const path of ["/status", "/config", "/events"]) userRoutes.all(path, onlyMethods("GET"));
for (const path of ["/start", "/stop"]) userRoutes.all(path, onlyMethods("POST"));

function noStore(response: Response): Response {
  response.headers.set("cache-control", "no-store");
  return response;
}
