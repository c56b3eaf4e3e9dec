import type { Context } from "./context.ts";
import { FLY_APP_NAME } from "./fly-app.ts";

/** The Worker's variables and secrets for a local Fly. */
export function workerBindings(
  { secrets, workerPort }: Pick<Context, "secrets" | "workerPort">,
  fly: { apiUrl: string; proxyUrl: string },
): Record<string, string> {
  return {
    WORKER_ENV: "development",
    FLY_API_TOKEN: secrets.flyApiToken,
    FLY_APP_NAME,
    // Two of the regions that the local Fly knows.
    FLY_REGION: "ams,fra",
    FLY_API_BASE_URL: fly.apiUrl,
    FLY_PROXY_URL: fly.proxyUrl,
    FLY_REGISTRY_APP: FLY_APP_NAME,
    FLY_IMAGE_TAG: "local",
    NEXTAUTH_SECRET: secrets.nextAuthSecret,
    INTERNAL_API_SECRET: secrets.internalApiSecret,
    GATEWAY_TOKEN_SECRET: secrets.gatewayTokenSecret,
    AGENT_ENV_VARS_PRIVATE_KEY: secrets.agentEnvVarsPrivateKey,
    OPENCLAW_ALLOWED_ORIGINS: `http://127.0.0.1:${workerPort},http://localhost:${workerPort}`,
  };
}
