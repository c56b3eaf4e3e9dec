// A machine's program for tests: it tells what it sees, over HTTP and on stdout, and does what it is asked.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { WebSocketServer } from "ws";

const diary = `${process.env["HOME"]}/diary.txt`;

const server = createServer((request, response) => void answer(request, response));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://machine");
  switch (pathname) {
    case "/env":
      response.end(JSON.stringify(process.env));
      return;
    case "/diary":
      if (request.method === "PUT") writeFileSync(diary, await text(request));
      response.end(existsSync(diary) ? readFileSync(diary) : "");
      return;
    case "/echo": {
      response.setHeader("set-cookie", ["one=1", "two=2"]);
      response.setHeader("keep-alive", "timeout=99");
      response.setHeader("x-hop", "1");
      response.setHeader("connection", "x-hop, keep-alive");
      const { method, url, headers } = request;
      response.end(JSON.stringify({ method, url, headers, body: await text(request) }));
      return;
    }
    case "/stream":
      // Announces itself, waits for the client's word, and then says more.
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.flushHeaders();
      response.on("close", () => response.writableEnded || console.log("client went away"));
      request.setEncoding("utf8");
      request.on("data", (chunk: string) => response.write(`heard ${chunk}`));
      request.on("end", () => response.end("end"));
      return;
    case "/cut":
      response.writeHead(200, { "content-length": "1000" });
      response.write("half");
      setImmediate(() => response.destroy());
      return;
    case "/status":
      response.writeHead(Number(searchParams.get("code")), searchParams.get("text") ?? "");
      response.end();
      return;
    case "/raw":
      request.socket.end(searchParams.get("text") ?? "", "latin1");
      return;
    case "/stray": {
      const stray = spawn("sleep", ["300"], { detached: true, stdio: "ignore" });
      stray.unref();
      response.end(String(stray.pid));
      return;
    }
    case "/exit":
      response.end();
      process.exit(Number(searchParams.get("code")));
      return;
    default:
      response.writeHead(404).end();
  }
}

const sockets = new WebSocketServer({
  noServer: true,
  handleProtocols: (offered) => [...offered][0] ?? false,
});
sockets.on("connection", (socket, request) => {
  socket.send(JSON.stringify(request.headers));
  socket.on("message", (data: Buffer, isBinary) => {
    if (data.toString() === "close") socket.close(4321, "as you wish");
    else socket.send(data, { binary: isBinary });
  });
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    console.log(`got ${signal}`);
    if (process.env["STUBBORN"] === undefined) process.exit(0);
  });
}

server.on("upgrade", (request, socket, head) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://machine");
  if (pathname === "/ws") {
    sockets.handleUpgrade(request, socket, head, (accepted) => sockets.emit("connection", accepted, request));
    return;
  }
  const refusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  socket.end(pathname === "/raw" ? (searchParams.get("text") ?? "") : refusal, "latin1");
});

setTimeout(
  () => server.listen(Number(process.env["PORT"]), "127.0.0.1", () => console.log("listening")),
  Number(process.env["LISTEN_AFTER_MS"] ?? 0),
);
