import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ensureOpenClaw } from "../../docker/openclaw.ts";
import { createLocalFly } from "../fly/index.ts";
import { preferPort } from "../ports.ts";
import type { Context } from "./context.ts";
import { HOST } from "./context.ts";
import { ensureFlyApp } from "./fly-app.ts";
import { flyLog } from "./fly-log.ts";
import { REPOSITORY } from "./paths.ts";

const FLY_API_PORT = 4280;
const FLY_PROXY_PORT = 4281;

/**
 * Starts the local Fly with the app that holds the machines. What a machine runs must be there first, because Fly brings
 * back the machines of the last start at once: the controller's bundle, and OpenClaw, which the first start installs.
 */
export async function startFly(context: Context): Promise<{ apiUrl: string; proxyUrl: string }> {
  const { parts, step, paths, logs, secrets, openclaw: version } = context;
  const [{ dir: openclawDir }] = await Promise.all([
    step("OpenClaw", (note) => ensureOpenClaw({ version, log: note })),
    step("Controller", () => bundleController(context)),
  ]);
  const image = {
    command: [process.execPath, paths.controller],
    env: { OPENCLAW_DIR: openclawDir, KILOCLAW_LISTEN_HOST: HOST },
  };
  const fly = await step("Fly", () =>
    parts.start("Fly", async () =>
      createLocalFly({
        dataDir: paths.fly,
        host: HOST,
        apiPort: await preferPort(HOST, FLY_API_PORT),
        proxyPort: await preferPort(HOST, FLY_PROXY_PORT),
        runtime: { kind: "process", image },
        // Any token is taken, so that a person can look at what is there; it is reached from this computer alone.
        log: flyLog(logs),
      }),
    ),
  );
  await ensureFlyApp({ url: fly.apiUrl, token: secrets.flyApiToken });
  return fly;
}

/** The controller is a program of its own, so it is bundled by its own script and not imported. */
async function bundleController({ paths, stopping }: Context): Promise<void> {
  await promisify(execFile)(process.execPath, [join(REPOSITORY, "controller/bundle.ts"), paths.controller], {
    cwd: REPOSITORY,
    signal: stopping,
    timeout: BUNDLE_MS_MAX,
  });
}

const BUNDLE_MS_MAX = 60_000;
