import { existsSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { Readable } from "node:stream";
import { WebSocketServer } from "ws";
import { unsealEnvironment } from "../../controller/sealed-env.ts";
import { answerController, startGatewayProcess } from "./stand-in-controller.ts";
import { standInSettings } from "./stand-in-env.ts";

/**
 * What runs in a machine of the tests: it stands where controller and gateway would, speaks their wire, and behaves as
 * its variable STAND_IN says: `ready`, `degraded`, `exits` at once, or `starting` until there is a file `ready` on its
 * volume. Everything it is asked for comes back as what it received. As `controller` it is ready and answers on the controller's own
 * routes too, and as `rescue` it does so and is degraded (stand-in-controller.ts). With a variable `TAKES_SETTINGS` it takes settings
 * while it runs (stand-in-env.ts). A sealed environment it opens as the controller does, and without its key it is `degraded`.
 */
const unsealed = await unsealEnvironment(process.env);
const env = unsealed.ok ? unsealed.env : process.env;
const behaviour = unsealed.ok ? (env["STAND_IN"] ?? "ready") : "degraded";
const stage = unsealed.ok ? "gateway" : "sealed_environment";
const proxyToken = env["KILOCLAW_PROXY_TOKEN"] ?? "";
const home = env["HOME"] ?? "";
const gatewayToken = env["KILOCLAW_GATEWAY_TOKEN"] ?? "";
const hasController = behaviour === "controller" || behaviour === "rescue";
/** Only where its own settings say so, as what runs in older machines does not. */
const takesSettings = env["TAKES_SETTINGS"] !== undefined;
const settings = standInSettings(env);

if (behaviour === "exits") process.exit(3);

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://machine");
  if (pathname === "/_kilo/health") return answerHealth(response);
  if (hasController && pathname.startsWith("/_kilo/")) {
    answerController(request, response, { home, gatewayToken }).catch(() => response.destroy());
    return;
  }
  if (pathname === "/_kilo/version" || pathname === "/_kilo/env") {
    if (request.headers.authorization !== `Bearer ${gatewayToken}`) {
      response.writeHead(401).end("no gateway token");
      return;
    }
    if (pathname === "/_kilo/version") return answerVersion(response);
    if (!takesSettings) {
      response.writeHead(404).end();
      return;
    }
    settings.answer(request, response).catch(() => response.writeHead(400).end());
    return;
  }
  if (request.headers["x-kiloclaw-proxy-token"] !== proxyToken) {
    response.writeHead(401).end("no proxy token");
    return;
  }
  track(request, response);
  switch (pathname) {
    case "/zeros":
      response.writeHead(200, { "content-type": "application/octet-stream" });
      Readable.from(zeros(Number(searchParams.get("bytes")))).pipe(response);
      return;
    case "/open":
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ exchanges: open.size - 1, zerosSent }));
      return;
    case "/variable":
      response.writeHead(200, { "content-type": "text/plain" });
      response.end(settings.env()[searchParams.get("name") ?? ""] ?? "");
      return;
    case "/never":
      return;
    case "/headers-back":
      response.writeHead(
        200,
        [
          ["Set-Cookie", "kiloclaw-auth=stolen; Path=/"],
          ["Set-Cookie", "theme=dark"],
          ["Fly-Replay", "app=another"],
          ["X-Kiloclaw-Secret", "1"],
          ["Clear-Site-Data", '"*"'],
          ["X-Own", "kept"],
        ].flat(),
      );
      response.end();
      return;
    case "/1k":
      response.writeHead(200, { "content-type": "text/plain" }).end("x".repeat(1_024));
      return;
    case "/redirect":
      response.writeHead(302, { location: "http://169.254.169.254/latest" }).end();
      return;
    case "/events":
      // The second event goes out when the reader has proved that it has the first, by closing or by asking for more.
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: first\n\n");
      pending.add(response);
      return;
    case "/more":
      for (const open of pending) open.end("data: second\n\n");
      pending.clear();
      response.end();
      return;
    default:
      return echo(request, response);
  }
});

const pending = new Set<ServerResponse>();
/** Exchanges whose answer is not at its end and whose client is still there. */
const open = new Set<ServerResponse>();
let zerosSent = 0;

function track(request: IncomingMessage, response: ServerResponse): void {
  open.add(response);
  request.on("error", () => response.destroy());
  response.on("close", () => open.delete(response));
}

/** Made as they are asked for, so that what was sent tells what the reader took, but for the buffers between. */
function* zeros(bytes: number): Generator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024);
  for (let left = bytes; left > 0; left -= chunk.byteLength) {
    zerosSent += Math.min(left, chunk.byteLength);
    yield chunk.subarray(0, Math.min(left, chunk.byteLength));
  }
}

function answerHealth(response: ServerResponse): void {
  const isStarting = behaviour === "starting" && !existsSync(join(home, "ready"));
  const isDegraded = behaviour === "degraded" || behaviour === "rescue";
  const state = isStarting ? "starting" : isDegraded ? "degraded" : "ready";
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ state, stage }));
}

function answerVersion(response: ServerResponse): void {
  const capabilities = takesSettings ? ["env"] : [];
  const versions = {
    controller: "stand-in",
    capabilities,
    openclaw: "2026.9.6",
    node: process.versions.node,
  };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(versions));
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.byteLength;
  });
  request.on("end", () => {
    const { method, url, headers } = request;
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ method, url, headers, bytes, env: Object.keys(env), pid: process.pid }));
  });
}

const sockets = new WebSocketServer({
  server,
  handleProtocols: (protocols) => [...protocols][0] ?? false,
  verifyClient: ({ req }: { req: IncomingMessage }) => req.headers["x-kiloclaw-proxy-token"] === proxyToken,
});
sockets.on("connection", (socket, request) => {
  socket.send(JSON.stringify({ url: request.url, headers: request.headers }));
  socket.on("message", (data, isBinary) => {
    if (!isBinary && Buffer.isBuffer(data) && data.equals(Buffer.from("close")))
      socket.close(4_321, "as asked");
    else socket.send(data, { binary: isBinary });
  });
});

process.on("SIGTERM", () => process.exit(0));
// A machine has the port after its own for the gateway.
if (hasController) await startGatewayProcess(home, Number(env["PORT"]) + 1);
server.listen(Number(env["PORT"]), "127.0.0.1");
