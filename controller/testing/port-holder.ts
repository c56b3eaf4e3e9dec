/** A program that takes the gateway's port in its place: it answers as one that is ready, and ends at `/quit`. */
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { speakProtocol } from "./stand-in-protocol.ts";

const server = createServer((request, response) => {
  if (request.url === "/quit") process.exit(0);
  response.end("{}");
});
new WebSocketServer({ server }).on("connection", (socket) =>
  speakProtocol(socket, { version: "2026.9.6", isReady: () => true, isMute: () => false, methods: {} }),
);
server.listen(Number(process.argv[2]), "127.0.0.1");
