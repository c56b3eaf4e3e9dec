import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { benchPairing } from "./pairing.ts";
import { benchRequests } from "./requests.ts";
import { benchStart } from "./start.ts";

// `pnpm bench`: one run on one machine. Only the ratios travel: speeds differ from machine to machine and from hour to hour.
const RESULTS = fileURLToPath(new URL("../../.local/bench.json", import.meta.url));

const dir = await mkdtemp(join(tmpdir(), "kiloclaw-bench-"));
try {
  const start = await benchStart(dir);
  console.log("\nFrom start to a ready gateway, in seconds (median of", start.rounds, "in turns)");
  console.table({
    "the Worker starts an instance": {
      seconds: rounded(start.instanceS),
      ratio: rounded(start.instanceS / start.byHandS),
    },
    "the gateway started by hand": { seconds: rounded(start.byHandS), ratio: 1 },
  });
  const requests = await benchRequests(dir);
  console.log(
    "\nGET of 1 KiB at",
    requests.connections,
    "connections (best of",
    requests.rounds,
    "in turns)",
  );
  console.table({
    "through the Worker": {
      ...requests.worker,
      "req/s ratio": rounded(requests.worker.requestsPerSecond / requests.passThrough.requestsPerSecond),
      "p50 ratio": rounded(requests.worker.p50Ms / requests.passThrough.p50Ms),
    },
    "bare pass-through Worker": { ...requests.passThrough, "req/s ratio": 1, "p50 ratio": 1 },
  });
  const pairing = await benchPairing(dir);
  console.log(
    "\nPairing of a device, in milliseconds (medians), and beside OpenClaw's command line through exec",
  );
  console.table(
    Object.fromEntries(
      pairing.map(({ version, figures }) => [
        version,
        {
          "request shown": rounded(figures.requestShownMs),
          "list, controller": rounded(figures.listMs),
          "list, platform": rounded(figures.platformListMs),
          "list, exec": rounded(figures.listByExecMs),
          "list, CLI": rounded(figures.listByCliMs),
          "list / CLI": rounded(figures.platformListMs / figures.listByCliMs, 4),
          approval: rounded(figures.approvalMs),
          "approval, exec": rounded(figures.approvalByExecMs),
          "approval, CLI": rounded(figures.approvalByCliMs),
          "approval / CLI": rounded(figures.approvalMs / figures.approvalByCliMs, 4),
        },
      ]),
    ),
  );
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? "", node: process.version };
  await mkdir(join(RESULTS, ".."), { recursive: true });
  await writeFile(
    RESULTS,
    `${JSON.stringify({ at: new Date().toISOString(), machine, start, requests, pairing }, null, 2)}\n`,
  );
  console.log(`\nWritten to ${RESULTS}`);
} finally {
  await rm(dir, { recursive: true, force: true });
}

function rounded(figure: number, digits = 2): number {
  return Number(figure.toFixed(digits));
}
