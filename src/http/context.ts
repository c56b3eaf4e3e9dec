import { createMiddleware } from "hono/factory";
import { authenticate } from "../auth/authenticate.ts";
import { type Config, type Env, readConfig } from "../config.ts";
import { createSecretBox, type PublicJwk } from "../crypto/secret-box.ts";
import type { KiloClawInstance } from "../instance/object.ts";
import { createLogger } from "../log.ts";
import { openRegistry } from "../registry/registry.ts";
import { wantsHtml } from "./negotiation.ts";
import { signedOutPage, unavailablePage } from "./pages.ts";
import { misconfigured, problem } from "./problem.ts";

export type AppEnv = {
  Bindings: Env;
  Variables: { config: Config; userId: string; authenticatedBy: "bearer" | "cookie" };
};

const log = createLogger("http");

/** The object of a user. Asking for it writes nothing; only `provision` makes an instance. */
export function instanceOf(env: Env, userId: string): DurableObjectStub<KiloClawInstance> {
  return env.KILOCLAW_INSTANCE.getByName(userId);
}

/** The key for which the platform seals values; null where the Worker has none. */
export function publicKeyOf({ secretKeys }: Config): Promise<PublicJwk | null> {
  return createSecretBox(secretKeys).publicKey();
}

/** Lets nothing through while a variable or secret is missing or weak; the log says which. */
export const requireConfig = createMiddleware<AppEnv>(async (c, next) => {
  const read = readConfig(c.env);
  if (read.kind === "misconfigured") {
    log.error("misconfigured", { problems: read.problems });
    return misconfigured();
  }
  c.set("config", read.config);
  return next();
});

/** Lets only a signed-in user through; the same guard for HTTP and for WebSocket upgrades. */
export const requireUser = createMiddleware<AppEnv>(async (c, next) => {
  const request = c.req.raw;
  const who = await authenticate(request, c.get("config"), openRegistry(c.env.HYPERDRIVE));
  switch (who.kind) {
    case "user":
      c.set("userId", who.userId);
      c.set("authenticatedBy", who.by);
      return next();
    case "unauthenticated":
      return wantsHtml(request)
        ? signedOutPage()
        : problem("unauthenticated", { detail: "Sign in with an access code, or send a valid token." });
    case "unavailable":
      log.error("registry_unavailable", { cause: who.cause });
      return wantsHtml(request)
        ? unavailablePage()
        : problem("unavailable", {
            detail: "Sign-ins can't be checked right now. Try again shortly.",
            retryAfterS: 5,
          });
    default:
      return who satisfies never;
  }
});
