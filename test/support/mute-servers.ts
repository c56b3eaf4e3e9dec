import { once } from "node:events";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { z } from "zod";

/** Two TCP servers that accept connections and then say nothing: one waits on, one hangs up. `close` ends all. */
export async function startMuteServers(): Promise<{ silentUrl: string; hangUpUrl: string; close(): void }> {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    socket.resume();
  });
  const hangUp = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    // Only when it has read, or the client would see a reset connection, or not, by chance.
    socket.once("data", () => socket.end());
  });
  return {
    silentUrl: await listen(silent),
    hangUpUrl: await listen(hangUp),
    close() {
      for (const socket of sockets) socket.destroy();
      silent.close();
      hangUp.close();
    },
  };
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = z.object({ port: z.int() }).parse(server.address());
  return `postgres://nobody:secret@127.0.0.1:${port}/nothing`;
}
