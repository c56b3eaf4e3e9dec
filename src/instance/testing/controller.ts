import type { ControllerPort } from "../perform.ts";

/** A controller that tells what runs, and no image. */
export const toldController: ControllerPort = {
  version: async () => ({
    kind: "told",
    version: {
      controller: "1.0.0",
      capabilities: [],
      openclaw: "2026.9.6",
      openclawInstalled: "2026.9.6",
      imageDigest: null,
      node: "26.10.0",
    },
  }),
};
