import { Hono } from "hono";
import { operationAnswer, refusalAnswer } from "./answers.ts";
import { type AppEnv, instanceOf, requireConfig, requireUser } from "./context.ts";
import { refuseForeignPages } from "./foreign-pages.ts";
import { onlyMethods } from "./problem.ts";
import { userPairingRoutes } from "./user-pairing.ts";

const EVENTS_SHOWN = 100;

/** `/api/kiloclaw/*`: the signed-in user's own view of the instance, its start and stop, and who waits to be let in. */
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

userRoutes.route("/", userPairingRoutes);

for (const path of ["/status", "/config", "/events"]) userRoutes.all(path, onlyMethods("GET"));
for (const path of ["/start", "/stop"]) userRoutes.all(path, onlyMethods("POST"));

function noStore(response: Response): Response {
  response.headers.set("cache-control", "no-store");
  return response;
}
