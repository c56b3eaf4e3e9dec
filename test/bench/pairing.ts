import { join } from "node:path";
import { z } from "zod";
import { connectToGateway, createDevice, type Device } from "../../controller/testing/openclaw-client.ts";
import { OPENCLAW_VERSIONS, type OpenClawVersion } from "../../infrastructure/docker/openclaw.ts";
import { CLI_SCRIPT } from "../../src/gateway/cli-script.ts";
import { approvalSchema, devicePairingSchema } from "../../src/gateway/wire.ts";
import { type LocalStart, localStart } from "../support/local-start.ts";

const ROUNDS = 3;
const LISTS = 50;
const PATIENCE_MS = 60_000;
const CLI_MS_MAX = 26_000;
const OUTPUT_CHARS_MAX = 200_000;

/** Milliseconds, medians. */
export interface PairingFigures {
  /** From the beginning of a device's attempt to its request in the platform's list. */
  readonly requestShownMs: number;
  /** A list from the controller's memory, asked for through Fly's proxy. */
  readonly listMs: number;
  /** The same through the Worker's platform API. */
  readonly platformListMs: number;
  /** From the platform's approval to its answer, after which the device is let in. */
  readonly approvalMs: number;
  /** The same through Fly's exec, over the gateway's own socket. */
  readonly listByExecMs: number;
  readonly approvalByExecMs: number;
  /**
   * A list and an approval of people by OpenClaw's command line through exec; of devices neither version does both on a gateway
   * that trusts a proxy. The approval finds nobody, and one that finds somebody takes no less.
   */
  readonly listByCliMs: number;
  readonly approvalByCliMs: number;
}

/** Pairing of a device on the whole platform, with the real gateway of each version, beside the same by exec. */
export async function benchPairing(
  dir: string,
): Promise<readonly { version: OpenClawVersion; rounds: number; figures: PairingFigures }[]> {
  const results = [];
  for (const version of OPENCLAW_VERSIONS) {
    const local = await localStart(join(dir, `pairing-${version}`), { openclaw: version });
    try {
      results.push({ version, rounds: ROUNDS, figures: await measure(await openPlatform(local)) });
    } finally {
      await local.stop();
    }
  }
  return results;
}

async function measure(platform: Platform): Promise<PairingFigures> {
  const shown: number[] = [];
  const approvals: number[] = [];
  const execLists: number[] = [];
  const execApprovals: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const device = createDevice();
    const startedAt = performance.now();
    const attempt = platform.connect(device);
    const requestId = await platform.untilListed(device);
    shown.push(performance.now() - startedAt);
    await attempt;
    approvals.push(await timed(() => platform.approve(requestId)));
    if ((await platform.connect(device)) !== "connected")
      throw new Error("an approved device was not let in");

    const other = createDevice();
    await platform.connect(other);
    const otherId = await platform.untilListed(other);
    execLists.push(await timed(() => platform.byExec(["devices", "list", "--json"])));
    execApprovals.push(await timed(() => platform.byExec(["devices", "approve", otherId, "--json"])));
    if ((await platform.connect(other)) !== "connected")
      throw new Error("a device approved by exec was not let in");
  }
  const cliLists: number[] = [];
  const cliApprovals: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    cliLists.push(await timed(() => platform.byExec(["pairing", "list", "telegram", "--json"])));
    cliApprovals.push(await timed(() => platform.byExec(["pairing", "approve", "telegram", "AAAAAAAA"], 1)));
  }
  const lists: number[] = [];
  const platformLists: number[] = [];
  for (let list = 0; list < LISTS; list += 1) {
    lists.push(await timed(() => platform.controllerList()));
    platformLists.push(await timed(() => platform.list()));
  }
  return {
    requestShownMs: median(shown),
    listMs: median(lists),
    platformListMs: median(platformLists),
    approvalMs: median(approvals),
    listByExecMs: median(execLists),
    approvalByExecMs: median(execApprovals),
    listByCliMs: median(cliLists),
    approvalByCliMs: median(cliApprovals),
  };
}

interface Platform {
  /** A device that is no browser tries to connect with the owner's session. */
  connect(device: Device): Promise<"connected" | "refused" | "no_upgrade">;
  untilListed(device: Device): Promise<string>;
  list(): Promise<z.infer<typeof devicePairingSchema>>;
  controllerList(): Promise<void>;
  approve(requestId: string): Promise<void>;
  byExec(args: readonly string[], exitCode?: number): Promise<void>;
}

const statusSchema = z.object({ flyAppName: z.string(), flyMachineId: z.string() });
const execSchema = z.object({ stdout: z.string() });
const runsSchema = z.object({
  runs: z.tuple([z.object({ exitCode: z.int().nullable(), stdout: z.string(), stderr: z.string() })]),
});

async function openPlatform({ ready }: LocalStart): Promise<Platform> {
  const user = `userId=${encodeURIComponent(ready.userId)}`;
  const internal = { "x-internal-api-key": ready.internalApiSecret };
  const read = async (path: string): Promise<unknown> =>
    (await fetch(`${ready.workerUrl}/api/platform/${path}?${user}`, { headers: internal })).json();
  const { flyAppName: app, flyMachineId: machine } = statusSchema.parse(await read("status"));
  const { gatewayToken } = z.object({ gatewayToken: z.string() }).parse(await read("gateway-token"));
  const cookie = await signIn(ready);
  const list = async () => devicePairingSchema.parse(await read("device-pairing"));
  return {
    list,
    async connect(device) {
      const connection = await connectToGateway({
        url: ready.workerUrl.replace(/^http/, "ws"),
        client: { id: "cli", mode: "cli" },
        device,
        headers: { cookie, origin: ready.workerUrl },
      });
      if (connection.kind === "connected") connection.close();
      return connection.kind;
    },
    async untilListed(device) {
      for (const endsAt = performance.now() + PATIENCE_MS; performance.now() < endsAt;) {
        const found = (await list()).requests.find(({ deviceId }) => deviceId === device.id);
        if (found !== undefined) return found.requestId;
      }
      throw new Error("the request was not listed");
    },
    async controllerList() {
      const response = await fetch(`${ready.flyProxyUrl}/_kilo/pairing/devices`, {
        headers: { "fly-force-instance-id": machine, authorization: `Bearer ${gatewayToken}` },
      });
      devicePairingSchema.parse(await response.json());
    },
    async approve(requestId) {
      const response = await fetch(`${ready.workerUrl}/api/platform/device-pairing/approve`, {
        method: "POST",
        headers: { ...internal, "content-type": "application/json" },
        body: JSON.stringify({ userId: ready.userId, requestId }),
      });
      const { outcome } = approvalSchema.parse(await response.json());
      if (outcome !== "approved") throw new Error(`the approval ended with ${outcome}`);
    },
    async byExec(args, exitCode = 0) {
      const request = { commands: [args], timeoutMs: CLI_MS_MAX, outputCharsMax: OUTPUT_CHARS_MAX };
      const response = await fetch(`${ready.flyApiUrl}/v1/apps/${app}/machines/${machine}/exec`, {
        method: "POST",
        headers: { authorization: "Bearer local", "content-type": "application/json" },
        body: JSON.stringify({
          command: ["node", "-e", CLI_SCRIPT, "--", JSON.stringify(request)],
          timeout: 30,
        }),
      });
      const { stdout } = execSchema.parse(await response.json());
      const [run] = runsSchema.parse(JSON.parse(stdout)).runs;
      if (run.exitCode !== exitCode)
        throw new Error(`${args.join(" ")} ended with ${run.exitCode}: ${run.stderr}`);
    },
  };
}

/** Redeems the access code as the browser's form does. */
async function signIn({ signInUrl, workerUrl, userId, accessCode }: LocalStart["ready"]): Promise<string> {
  const response = await fetch(signInUrl, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", origin: workerUrl },
    body: new URLSearchParams({ userId, code: accessCode }),
    redirect: "manual",
  });
  const cookie = response.headers.getSetCookie()[0]?.split(";", 1)[0];
  if (cookie === undefined) throw new Error(`the code was not redeemed: ${response.status}`);
  return cookie;
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
