/**
 * A stand-in for the gateway over its real wire: a program that listens on loopback, answers /readyz, echoes
 * HTTP and WebSockets, and misbehaves as `$HOME/behaviour.json` tells it, read at each start.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, watch } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { WebSocketServer } from "ws";
import { z } from "zod";

export const behaviourSchema = z.object({
  /** Exit at once with this code. */
  exitCode: z.int().optional(),
  /** Answer 503 on /readyz until this file exists in HOME. */
  readyWhen: z.string().optional(),
  ignoreSigterm: z.boolean().optional(),
  /** A child that listens on the port in our place, in our group or in a session of its own. */
  portHolder: z.enum(["group", "session"]).optional(),
  /** Text to print at start. */
  print: z.string().optional(),
});
export type Behaviour = z.infer<typeof behaviourSchema>;

const HOLDER =
  "const s=require('node:http').createServer((q,r)=>q.url==='/quit'?process.exit(0):r.end('{}'));s.listen(+process.argv[1],'127.0.0.1')";

const home = z.string().parse(process.env["HOME"]);
const configPath = z.string().parse(process.env["OPENCLAW_CONFIG_PATH"]);
const { gateway } = z
  .object({ gateway: z.object({ port: z.int() }) })
  .parse(JSON.parse(readFileSync(configPath, "utf8")));
const behaviourFile = join(home, "behaviour.json");
const behaviour = existsSync(behaviourFile)
  ? behaviourSchema.parse(JSON.parse(readFileSync(behaviourFile, "utf8")))
  : {};

console.log(behaviour.print ?? "stand-in gateway starts");
if (behaviour.exitCode !== undefined) process.exit(behaviour.exitCode);
process.on("SIGTERM", () => {
  console.log("stand-in got SIGTERM");
  if (behaviour.ignoreSigterm !== true) process.exit(0);
});

if (behaviour.portHolder === undefined) {
  listen();
} else {
  const isOwnSession = behaviour.portHolder === "session";
  spawn(process.execPath, ["-e", HOLDER, String(gateway.port)], { detached: isOwnSession, stdio: "ignore" });
  setInterval(() => undefined, 60_000);
}

function listen(): void {
  let isReady = behaviour.readyWhen === undefined;
  if (behaviour.readyWhen !== undefined) {
    const awaited = behaviour.readyWhen;
    watch(home, () => (isReady ||= existsSync(join(home, awaited))));
  }
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    switch (path) {
      case "/readyz":
        response.writeHead(isReady ? 200 : 503).end(JSON.stringify({ ready: isReady }));
        return;
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
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "echo.v1" });
  server.on("upgrade", (request, socket, head) => {
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
