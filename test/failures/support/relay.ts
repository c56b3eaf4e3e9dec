import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { z } from "zod";

export type Relay = {
  port: number;
  /** Where connections lead from now on; null refuses them. Those that are open are cut. */
  leadTo(url: string | null): Promise<void>;
  close(): Promise<void>;
};

/** A TCP port of its own that leads to another one, so that what stands behind an address can change while it is used. */
export async function startRelay(): Promise<Relay> {
  const open = new Set<Socket>();
  let target: { host: string; port: number } | null = null;
  let port = 0;
  let server: Server | null = null;

  const take = (client: Socket): void => {
    if (target === null) {
      client.destroy();
      return;
    }
    const upstream = createConnection(target);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  };
  const listen = async (): Promise<void> => {
    server = createServer(take);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    ({ port } = z.object({ port: z.int() }).parse(server.address()));
  };
  const refuse = async (): Promise<void> => {
    const closing = server;
    server = null;
    for (const socket of open) socket.destroy();
    if (closing === null) return;
    const closed = once(closing, "close");
    closing.close();
    await closed;
  };

  await listen();
  return {
    get port() {
      return port;
    },
    async leadTo(url) {
      await refuse();
      target = url === null ? null : { host: new URL(url).hostname, port: Number(new URL(url).port) };
      if (target !== null) await listen();
    },
    close: refuse,
  };
}
