import { parseArgs } from "node:util";
import { z } from "zod";
import { createLocalFly, type LocalFlyOptions } from "./index.ts";
import { messageOf, type LogEntry } from "./log.ts";

const usage = `A Fly of one's own: the Machines API and Fly Proxy on this computer.

  node infrastructure/local/fly/main.ts [options]

  --data DIR             where state and volumes are kept (default .local/fly)
  --host HOST            (default 127.0.0.1)
  --api-port PORT        the Machines API (default 4280; 0: any free port)
  --proxy-port PORT      Fly Proxy (default 4281; 0: any free port)
  --runtime KIND         none: machines are only state (default); process: they run the image command
  --image-command JSON   what a machine runs, e.g. '["node","controller/main.ts"]' (with --runtime process)
  --image-env JSON       the image's own environment, e.g. '{"OPENCLAW_DIR":"/opt/openclaw"}'
  --token TOKEN          the only API token that is let in (default: any)
  --region CODE          the region that callers are near to (default ams)
  --limit-rates          apply Fly's rate limits
  --test-mode            open /_test, by which faults are asked for (see README.md)
  --verbose              log every request
`;

const port = z.coerce.number().int().min(0).max(65_535);
const json = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "is not JSON" });
    return z.NEVER;
  }
});

const argumentsSchema = z.object({
  data: z.string().min(1),
  host: z.string().min(1),
  "api-port": port,
  "proxy-port": port,
  runtime: z.enum(["none", "process"]),
  "image-command": json.pipe(z.array(z.string()).min(1)).optional(),
  "image-env": json.pipe(z.record(z.string(), z.string())),
  token: z.string().min(1).optional(),
  region: z.string().min(1),
  "limit-rates": z.boolean(),
  "test-mode": z.boolean(),
});

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: "string", default: ".local/fly" },
      host: { type: "string", default: "127.0.0.1" },
      "api-port": { type: "string", default: "4280" },
      "proxy-port": { type: "string", default: "4281" },
      runtime: { type: "string", default: "none" },
      "image-command": { type: "string" },
      "image-env": { type: "string", default: "{}" },
      token: { type: "string" },
      region: { type: "string", default: "ams" },
      "limit-rates": { type: "boolean", default: false },
      "test-mode": { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const parsed = argumentsSchema.safeParse(values);
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  const given = parsed.data;
  const fly = await createLocalFly({
    dataDir: given.data,
    host: given.host,
    apiPort: given["api-port"],
    proxyPort: given["proxy-port"],
    runtime: runtimeOf(given),
    ...(given.token === undefined ? {} : { token: given.token }),
    nearestRegion: given.region,
    limitsRates: given["limit-rates"],
    testMode: given["test-mode"],
    log: (entry) => print(entry, values.verbose),
  });
  console.log(`Machines API ${fly.apiUrl}  Fly Proxy ${fly.proxyUrl}`);
  let isClosing = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (isClosing) return;
      isClosing = true;
      void fly.close().finally(() => process.exit(0));
    });
  }
}

function runtimeOf(given: z.infer<typeof argumentsSchema>): LocalFlyOptions["runtime"] {
  if (given.runtime === "none") return { kind: "none" };
  const command = given["image-command"];
  if (command === undefined) throw new Error("--runtime process needs --image-command");
  return { kind: "process", image: { command, env: given["image-env"] } };
}

function print(entry: LogEntry, verbose: boolean): void {
  switch (entry.kind) {
    case "machine_output":
      console.log(`[${entry.machineId}] ${entry.line}`);
      return;
    case "machine_state":
      console.log(`[${entry.machineId}] is ${entry.state}`);
      return;
    case "request":
      if (verbose) console.log(`${entry.method} ${entry.path} ${entry.status} ${entry.durationMs} ms`);
      return;
    case "proxy":
      console.log(`[${entry.code}] ${entry.message}`);
      return;
    case "problem":
      console.error(entry.message);
      return;
    default:
      entry satisfies never;
  }
}

try {
  await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
