import { app } from "./http/app.ts";

export { KiloClawPlatform } from "./http/rpc.ts";
export { KiloClawInstance } from "./instance/object.ts";

export default { fetch: app.fetch };
