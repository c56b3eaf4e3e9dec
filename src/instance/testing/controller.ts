import type { ControllerAnswer } from "../../gateway/client.ts";
import type { ControllerVersion, EnvApplied } from "../../gateway/wire.ts";
import type { ControllerPort } from "../perform.ts";

const version: ControllerVersion = {
  controller: "1.0.0",
  capabilities: [],
  openclaw: "2026.9.6",
  openclawInstalled: "2026.9.6",
  imageDigest: null,
  node: "26.10.0",
};

/** A controller that tells what runs, and no image; it takes no settings. */
export const toldController: ControllerPort = () => ({
  version: async () => ({ kind: "answered", value: version }),
  updateEnv: async () => ({ kind: "unknown_route" }),
});

/** One that takes settings, and says of them what `answer` does; its signal tells that nobody waits for that any more. */
export function controllerThatTakes(
  answer: (signal: AbortSignal) => Promise<ControllerAnswer<EnvApplied>>,
): ControllerPort {
  return () => ({
    version: async () => ({ kind: "answered", value: { ...version, capabilities: ["env"] } }),
    updateEnv: (_update, signal) => answer(signal),
  });
}
