import { envKeyOf } from "../auth/machine-tokens.ts";
import { isLegacyEnv, openLegacyEnv } from "../crypto/legacy-env.ts";
import { envKeysText, openMachineEnv, sealMachineEnv } from "../crypto/sealed-env.ts";
import type { EnvSeal } from "./machine-request.ts";

/** The real seal: by keys that are derived from the Worker's secret for each machine. */
export function createEnvSeal(gatewayTokenSecret: string): EnvSeal {
  const keyOf = (sandboxId: string, version: number): Promise<string> =>
    envKeyOf(gatewayTokenSecret, sandboxId, version);
  return {
    async seal(env, sandboxId, version) {
      return sealMachineEnv(env, { version, key: await keyOf(sandboxId, version) }, sandboxId);
    },
    async open(env, sandboxId) {
      if (!isLegacyEnv(env)) return openMachineEnv(env, sandboxId, (version) => keyOf(sandboxId, version));
      const opened = await openLegacyEnv(env, await keyOf(sandboxId, 1), sandboxId);
      return opened === null ? null : { env: opened, keyVersion: 1 };
    },
    async appSecret(sandboxId, current) {
      const versions = current === 1 ? [1] : [current, current - 1];
      const keys = versions.map(async (version) => ({ version, key: await keyOf(sandboxId, version) }));
      return envKeysText(await Promise.all(keys));
    },
  };
}
