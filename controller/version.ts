import manifest from "../package.json" with { type: "json" };

/** The controller is released with the repository and has its version. */
export const controllerVersion: string = manifest.version;
