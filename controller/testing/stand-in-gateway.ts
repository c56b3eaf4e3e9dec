/**
 * A stand-in for OpenClaw over its real wire: as `gateway` a program that listens on loopback, speaks the gateway's protocol,
 * echoes HTTP and WebSockets, and misbehaves as `$HOME/behaviour.json` tells it, read at each start; else its command line.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { z } from "zod";
import { createStandInPairing } from "./stand-in-pairing.ts";
import { speakProtocol } from "./stand-in-protocol.ts";

export const behaviourSchema = z.object({
  /** Exit at once with this code. */
  exitCode: z.int().optional(),
  /** Words on stderr before that. */
  lastWords: z.string().optional(),
  /** Let nobody in until this file exists in HOME. */
  readyWhen: z.string().optional(),
  ignoreSigterm: z.boolean().optional(),
  /** Answer no request of the protocol any more once this file exists in HOME. */
  muteWhen: z.string().optional(),
  /** Say nothing of the version on the wire, as 2026.2 does. */
  isNameless: z.boolean().optional(),
  /** The doctor repairs what is wrong, or finds nothing to repair. */
  doctor: z.enum(["repairs", "is helpless", "hangs"]).optional(),
  /** The rest of the command line never ends. */
  cliHangs: z.boolean().optional(),
  /** A child that listens on the port in our place: in our group, in a session of its own, or somebody else's. */
  portHolder: z.enum(["group", "session", "stranger"]).optional(),
  /** Text to print at start. */
  print: z.string().optional(),
});
export type Behaviour = z.infer<typeof behaviourSchema>;

const HOLDER = fileURLToPath(new URL("port-holder.ts", import.meta.url));
const VERSION = "2026.9.6";

const home = z.string().parse(process.env["HOME"]);
const configPath = z.string().parse(process.env["OPENCLAW_CONFIG_PATH"]);
const { gateway } = z
  .object({ gateway: z.object({ port: z.int() }) })
  .parse(JSON.parse(readFileSync(configPath, "utf8")));
const behaviourFile = join(home, "behaviour.json");
const behaviour = existsSync(behaviourFile)
  ? behaviourSchema.parse(JSON.parse(readFileSync(behaviourFile, "utf8")))
  : {};

const [command, ...args] = process.argv.slice(2);
if (command === "gateway") runGateway();
else runCommandLine();

function runCommandLine(): void {
  console.log(`stand-in runs ${[command, ...args].join(" ")}`);
  const hangs = command === "doctor" ? behaviour.doctor === "hangs" : behaviour.cliHangs === true;
  if (hangs) setInterval(() => undefined, 60_000);
  else if (command === "--version") console.log(`OpenClaw ${VERSION} (0123abc)`);
  else if (command === "doctor" && behaviour.doctor === "repairs") writeFileSync(behaviourFile, "{}");
}

function runGateway(): void {
  console.log(behaviour.print ?? "stand-in gateway starts");
  if (behaviour.lastWords !== undefined) console.error(behaviour.lastWords);
  if (behaviour.exitCode !== undefined) process.exit(behaviour.exitCode);
  process.on("SIGTERM", () => {
    console.log("stand-in got SIGTERM");
    if (behaviour.ignoreSigterm !== true) process.exit(0);
  });
  if (behaviour.portHolder === undefined) {
    listen();
    return;
  }
  spawn(process.execPath, [HOLDER, String(gateway.port)], {
    detached: behaviour.portHolder !== "group",
    stdio: "ignore",
    ...(behaviour.portHolder === "stranger" ? { env: {} } : {}),
  });
  setInterval(() => undefined, 60_000);
}

function listen(): void {
  const isThere = (name: string): boolean => existsSync(join(home, name));
  const isReady = (): boolean => behaviour.readyWhen === undefined || isThere(behaviour.readyWhen);
  const isMute = (): boolean => behaviour.muteWhen !== undefined && isThere(behaviour.muteWhen);
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    switch (path) {
      case "/crash":
        process.exit(1);
        return;
      case "/env":
        response.end(JSON.stringify(process.env));
        return;
      case "/events":
        sendEvents(request, response);
        return;
      case "/half":
        response.writeHead(200, { "content-length": "1000" });
        response.write("half", () => process.exit(1));
        return;
      case "/redirect":
        response.writeHead(302, {
          location: "http://169.254.169.254/latest",
          "set-cookie": ["a=1; Path=/", "b=2; HttpOnly"],
          "fly-replay": "app=other",
          "x-kiloclaw-proxy-token": "from the gateway",
        });
        response.end();
        return;
      default:
        echo(request, response);
    }
  });
  const clients = new WebSocketServer({ noServer: true });
  const emit = (event: string, payload: unknown): void => {
    for (const client of clients.clients) client.send(JSON.stringify({ type: "event", event, payload }));
  };
  const methods = createStandInPairing(join(home, "pairing.json"), emit);
  clients.on("connection", (socket) =>
    speakProtocol(socket, {
      version: behaviour.isNameless === true ? "dev" : VERSION,
      isReady,
      isMute,
      methods,
    }),
  );
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "echo.v1" });
  server.on("upgrade", (request, socket, head) => {
    if (request.url === "/") {
      clients.handleUpgrade(request, socket, head, (open) => clients.emit("connection", open, request));
      return;
    }
    if (request.url !== "/socket") {
      socket.end("HTTP/1.1 403 Forbidden\r\nfly-replay: app=other\r\nContent-Length: 2\r\n\r\nno");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (open) => sockets.emit("connection", open, request));
  });
  sockets.on("headers", (headers) => headers.push("fly-replay: app=other"));
  sockets.on("connection", (socket, request) => {
    socket.send(JSON.stringify(request.headers));
    socket.on("message", (data, isBinary) => {
      const text = !isBinary && Buffer.isBuffer(data) ? data.toString() : null;
      if (text === "close") socket.close(4321, "as asked");
      else if (text === "crash") process.exit(1);
      else socket.send(data, { binary: isBinary });
    });
  });
  server.listen(gateway.port, "127.0.0.1");
  process.on("SIGUSR2", () => {
    console.log("stand-in restarts in itself");
    for (const client of clients.clients) client.close(1012, "service restart");
    server.close(() => server.listen(gateway.port, "127.0.0.1"));
    server.closeAllConnections();
  });
}

/** One event at once, the second when the client has sent a request to say that it saw the first. */
let sendSecond: (() => void) | null = null;
function sendEvents(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === "POST") {
    sendSecond?.();
    response.end();
    return;
  }
  response.on("close", () => console.log("the client of the events has gone"));
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write("data: first\n\n");
  sendSecond = () => response.end("data: second\n\n");
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0;
  if (request.url === "/upload") console.log("an upload begins");
  request.on("data", (chunk: Buffer) => (bytes += chunk.length));
  request.on("aborted", () => console.log("an upload was broken off"));
  request.on("end", () => {
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({ method: request.method, url: request.url, headers: request.headers, bytes }),
    );
  });
}
