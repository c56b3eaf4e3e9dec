import { openEnv, sealMachineEnv } from "../crypto/sealed-env.ts";
import type { EnvSeal } from "./machine-request.ts";

const SEALED = /^KILOCLAW_SEALED_ENV(?:_(\d+))?$/;

/** The real seal: AES-256-GCM with the tenant's key, in as many variables as it needs. */
export const envSeal: EnvSeal = {
  seal: sealMachineEnv,
  async open(env, envKey, sandboxId) {
    const parts = Object.entries(env)
      .map(([name, value]) => ({ match: SEALED.exec(name), value }))
      .filter(({ match }) => match !== null)
      .toSorted((a, b) => Number(a.match?.[1] ?? 1) - Number(b.match?.[1] ?? 1));
    if (parts.length === 0) return env;
    const opened = await openEnv(parts.map(({ value }) => value).join(""), envKey, sandboxId);
    return opened.kind === "opened" ? opened.env : null;
  },
};
