import { Hono } from "hono";
import { createLogger } from "../log.ts";
import { accessGatewayRoutes } from "./access-gateway.ts";
import { type AppEnv, requireConfig, requireUser } from "./context.ts";
import { gatewayRoute } from "./gateway.ts";
import { platformRoutes } from "./platform.ts";
import { problem } from "./problem.ts";
import { userRoutes } from "./user.ts";

const log = createLogger("http");

/** All routes of the Worker; what none of ours takes is the user's gateway's. */
export const app = new Hono<AppEnv>();

app.get("/health", () => Response.json({ status: "ok" }));
app.route("/kilo-access-gateway", accessGatewayRoutes);
app.route("/api/platform", platformRoutes);
app.route("/api/kiloclaw", userRoutes);
for (const ours of ["/api/platform/*", "/api/kiloclaw/*", "/kilo-access-gateway"]) {
  app.all(ours, () => problem("not_found", { detail: "There is no such route." }));
}
app.all("*", requireConfig, requireUser, gatewayRoute);

app.onError((cause, c) => {
  log.error("unhandled", { path: c.req.path, method: c.req.method, cause });
  return problem("internal_error", { detail: "Something went wrong on our side." });
});
