import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { rememberProcess } from "../../controller/gateway/orphan.ts";
import { problemAnswer } from "../../controller/http/problem.ts";
import type { ChannelPairing, ControllerVersion, DevicePairing, Doctor } from "../../src/gateway/wire.ts";
import { serveGateway } from "./stand-in-gateway-socket.ts";

/**
 * The controller's own routes in a stand-in machine. Files in `stand-in` on its volume say how it behaves, and are read at every
 * request: with `old` it is an older controller, which knows none of the routes; `answers.json` has for `METHOD /path` what it
 * answers instead of the usual: `{status, body}`, `{raw}` for a body that is sent as it is, or `"silence"`. What it was asked is
 * appended to `asked.jsonl`.
 */
export async function answerController(
  request: IncomingMessage,
  response: ServerResponse,
  { home, gatewayToken }: { home: string; gatewayToken: string },
): Promise<void> {
  const { pathname, search } = new URL(request.url ?? "/", "http://machine");
  const body = await text(request);
  const place = `${request.method} ${pathname}`;
  if (request.headers.authorization !== `Bearer ${gatewayToken}`) return refuse(response, "unauthenticated");
  appendFileSync(
    join(home, DIRECTORY, "asked.jsonl"),
    `${JSON.stringify({ place, search, body, headers: request.headers })}\n`,
  );
  if (existsSync(join(home, DIRECTORY, "old"))) return refuse(response, "unknown_route");
  const scripted = readAnswers(home)[place];
  if (scripted === "silence") return;
  if (scripted !== undefined) {
    const { status, body: own, raw } = scripted;
    response.writeHead(status, { "content-type": "application/json", location: "https://evil.example/" });
    response.end(raw ?? JSON.stringify(own));
    return;
  }
  const usual = USUAL[place];
  if (usual === undefined) return refuse(response, "unknown_route");
  response.writeHead(usual.status, { "content-type": "application/json" }).end(JSON.stringify(usual.body));
}

/**
 * Makes the directory of those files, and starts what stands for the gateway's process: it has what an exec has not, the password and
 * the directories of the gateway, and is noted as the controller notes it. The gateway's socket listens at `port`.
 */
export async function startGatewayProcess(home: string, port: number): Promise<void> {
  await mkdir(join(home, DIRECTORY), { recursive: true });
  await mkdir(join(home, ".kiloclaw"), { recursive: true });
  serveGateway(port, join(home, DIRECTORY), PASSWORD);
  const child = spawn("sleep", ["86400"], {
    env: {
      HOME: home,
      OPENCLAW_STATE_DIR: join(home, DIRECTORY),
      OPENCLAW_CONFIG_PATH: join(home, DIRECTORY, "openclaw.json"),
      OPENCLAW_GATEWAY_PASSWORD: PASSWORD,
      OPENCLAW_GATEWAY_PORT: String(port),
    },
    stdio: "ignore",
  });
  if (child.pid !== undefined) await rememberProcess(join(home, ".kiloclaw", "gateway.json"), child.pid);
}

const DIRECTORY = "stand-in";
const PASSWORD = "gateway-password";

const answersSchema = z.record(
  z.string(),
  z.union([
    z.literal("silence"),
    z.object({ status: z.int().default(200), body: z.unknown().optional(), raw: z.string().optional() }),
  ]),
);

function readAnswers(home: string): z.output<typeof answersSchema> {
  const file = join(home, DIRECTORY, "answers.json");
  return existsSync(file) ? answersSchema.parse(JSON.parse(readFileSync(file, "utf8"))) : {};
}

function refuse(response: ServerResponse, code: Parameters<typeof problemAnswer>[0]): void {
  const { status, headers, body } = problemAnswer(code);
  response.writeHead(status, headers).end(body);
}

const AT = "2026-11-20T12:00:00.000Z";
const version: ControllerVersion = {
  controller: "0.2.0",
  capabilities: ["logs", "pairing", "doctor", "config", "env"],
  openclaw: "2026.9.6",
  openclawInstalled: "2026.9.6",
  imageDigest: null,
  node: "v26.10.0",
};
const gateway = { state: "running", since: AT, pid: 7, failuresInARow: 0, failure: null, retryAt: null };
const channels: ChannelPairing = { refreshedAt: AT, stale: false, requests: [], channels: [] };
const devices: DevicePairing = { refreshedAt: AT, stale: false, requests: [] };
const doctor: Doctor = {
  state: "running",
  fix: false,
  startedAt: AT,
  endedAt: null,
  exitCode: null,
  output: "",
};

/** What a controller answers at which nothing happens. */
const USUAL: Record<string, { status: number; body: unknown }> = {
  "GET /_kilo/version": { status: 200, body: version },
  "GET /_kilo/gateway/status": { status: 200, body: gateway },
  "POST /_kilo/gateway/start": { status: 202, body: gateway },
  "POST /_kilo/gateway/stop": { status: 202, body: { ...gateway, state: "stopping" } },
  "POST /_kilo/gateway/restart": { status: 202, body: { ...gateway, state: "stopping" } },
  "GET /_kilo/gateway/logs": {
    status: 200,
    body: { lines: [{ number: 3, at: AT, stream: "stderr", text: "a line" }], newest: 3 },
  },
  "GET /_kilo/pairing/channels": { status: 200, body: channels },
  "POST /_kilo/pairing/channels/approve": { status: 200, body: { outcome: "approved" } },
  "GET /_kilo/pairing/devices": { status: 200, body: devices },
  "POST /_kilo/pairing/devices/approve": { status: 200, body: { outcome: "approved" } },
  "GET /_kilo/doctor": { status: 200, body: { ...doctor, state: "never_run", startedAt: null } },
  "POST /_kilo/doctor": { status: 202, body: doctor },
  "DELETE /_kilo/doctor": { status: 202, body: { ...doctor, state: "cancelled", endedAt: AT } },
  "GET /_kilo/config": {
    status: 200,
    body: {
      kind: "written",
      at: AT,
      setAside: null,
      refusedKeys: [],
      channels: ["telegram"],
      model: "some/model",
    },
  },
};
