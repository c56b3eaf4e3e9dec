import { machineTokensOf } from "../auth/machine-tokens.ts";
import { type Config, type Env, flyProxyUrl } from "../config.ts";
import { openFly } from "../fly/open.ts";
import { createLogger } from "../log.ts";
import { createGatewayByExec } from "./by-exec.ts";
import { createAnswerCache } from "./cache.ts";
import { createControllerClient } from "./client.ts";
import { createGateway, type Gateway } from "./gateway.ts";

/** Where an instance runs, as its object tells. */
export type Place = { appName: string; machineId: string; sandboxId: string };

const log = createLogger("gateway");

/** The gateway of a machine that runs. */
export async function openGateway(
  env: Env,
  { fly, gatewayTokenSecret }: Config,
  { appName, machineId, sandboxId }: Place,
): Promise<Gateway> {
  const { gatewayToken } = await machineTokensOf(gatewayTokenSecret, sandboxId);
  const proxyUrl = flyProxyUrl(fly.proxyUrlPattern, appName);
  return createGateway({
    sandboxId,
    controller: createControllerClient({ proxyUrl, machineId, gatewayToken }),
    byExec: createGatewayByExec(openFly(fly, log), { appName, machineId }),
    cache: createAnswerCache(env.KV_CLAW_CACHE, sandboxId),
    log,
  });
}
