import { setTimeout as sleep } from "node:timers/promises";
import { readConfigFile } from "./config/file.ts";
import type { LiveGateway } from "./config/live.ts";
import { environmentOf } from "./gateway/environ.ts";
import type { GatewayLink } from "./gateway/link.ts";
import type { Supervisor } from "./gateway/supervisor.ts";
import type { OpenClaw } from "./openclaw.ts";

const PAUSE_MS = 50;
const READ_BACK_CALL_MS_MAX = 5_000;

export interface LiveGatewayOptions {
  readonly supervisor: Pick<Supervisor, "status" | "state" | "renew">;
  readonly link: Pick<GatewayLink, "call" | "connected">;
  readonly configFile: string;
  readonly openClaw: () => OpenClaw | null;
  readonly write: LiveGateway["write"];
  readonly environmentOfStart: LiveGateway["environmentOfStart"];
}

/** The gateway under its supervisor and behind the controller's own link, as one that can be brought to other settings. */
export function createLiveGateway(options: LiveGatewayOptions): LiveGateway {
  const { supervisor, link } = options;
  const state = (): string => supervisor.state;
  return {
    version: () => options.openClaw()?.version ?? null,
    isRunning: () => state() === "running",
    write: options.write,
    environmentOfStart: options.environmentOfStart,
    async config() {
      const openClaw = options.openClaw();
      return openClaw === null ? null : readConfigFile(options.configFile, openClaw.parseConfig);
    },
    async call(method, params) {
      const result = await link.call(method, params, READ_BACK_CALL_MS_MAX);
      if (result.kind === "answered") return result.payload;
      throw new Error(`${method}: ${result.kind}`);
    },
    async environment() {
      const { pid } = supervisor.status();
      return pid === null ? null : environmentOf(pid);
    },
    async renew(msMax) {
      // One that its owner has stopped begins with the settings of now when it is started.
      if (!supervisor.renew()) return false;
      const deadline = performance.now() + msMax;
      while (state() === "starting" || state() === "stopping") {
        if (performance.now() >= deadline) return false;
        await sleep(PAUSE_MS);
      }
      return state() === "running" && link.connected(AbortSignal.timeout(READ_BACK_CALL_MS_MAX));
    },
  };
}
