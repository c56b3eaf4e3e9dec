import { createMiddleware } from "hono/factory";
import type { AppEnv } from "./context.ts";
import { isSameOrigin } from "./negotiation.ts";
import { problem } from "./problem.ts";

/** A page of somebody else must not act with the cookie of the user who visits it. */
export const refuseForeignPages = createMiddleware<AppEnv>(async (c, next) => {
  const byCookie = c.get("authenticatedBy") === "cookie";
  if (byCookie && !isSameOrigin(c.req.raw, c.get("config").machineDefaults.allowedOrigins)) {
    return problem("forbidden", { detail: "The request comes from a page of another origin." });
  }
  return next();
});
