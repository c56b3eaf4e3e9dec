import { Hono } from "hono";
import { sessionCookie } from "../auth/cookies.ts";
import { issueSession } from "../auth/session.ts";
import { createLogger } from "../log.ts";
import { openRegistry } from "../registry/registry.ts";
import { parseFormBody } from "./body.ts";
import { type AppEnv, requireConfig } from "./context.ts";
import { isSameOrigin } from "./negotiation.ts";
import { accessCodePage } from "./pages.ts";
import { onlyMethods, problem } from "./problem.ts";
import { redeemFormSchema } from "./requests.ts";

const log = createLogger("access-gateway");

/** `/kilo-access-gateway`: the form for an access code, and its redemption, which only a POST can do. */
export const accessGatewayRoutes = new Hono<AppEnv>();
accessGatewayRoutes.use(requireConfig);

accessGatewayRoutes.get("/", (c) =>
  accessCodePage({ userId: c.req.query("userId") ?? "", message: null, status: 200 }),
);

accessGatewayRoutes.post("/", async (c) => {
  const config = c.get("config");
  if (!isSameOrigin(c.req.raw, config.machineDefaults.allowedOrigins)) {
    return problem("forbidden", { detail: "The form was sent from a page of another origin." });
  }
  const form = await parseFormBody(c.req.raw, redeemFormSchema);
  if (form.kind === "refused") return form.response;
  const { userId, code } = form.value;
  const redeemed = await openRegistry(c.env.HYPERDRIVE).redeemAccessCode({ userId, code: code.trim() });
  switch (redeemed.kind) {
    case "refused":
      return accessCodePage({ userId, message: "refused", status: 401 });
    case "unavailable":
      log.error("registry_unavailable", { cause: redeemed.cause });
      return accessCodePage({ userId, message: "unavailable", status: 503 });
    case "redeemed":
      break;
    default:
      return redeemed satisfies never;
  }
  const { token, maxAgeS } = await issueSession(
    { userId, pepper: redeemed.pepper },
    config.sessionSecret,
    config.workerEnv,
  );
  log.info("signed_in", { userId });
  return new Response(null, {
    status: 303,
    headers: {
      location: "/",
      "set-cookie": sessionCookie(token, maxAgeS, config.development),
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
    },
  });
});

accessGatewayRoutes.all("/", onlyMethods("GET, POST"));
