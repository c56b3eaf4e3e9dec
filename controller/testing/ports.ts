import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Below what systems hand out by themselves (Linux from 32768, macOS from 49152): the gateway binds its port again and again
 * in a test, and in between any connection on this computer could be given it.
 */
const PORT_MIN = 20_000;
const PORT_MAX = 31_998;
const PORT_TRIES_MAX = 50;

/** A loopback port whose successor is free as well. */
export async function freePortPair(): Promise<number> {
  for (let attempt = 0; attempt < PORT_TRIES_MAX; attempt++) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    const servers = await Promise.all([tryListen(port), tryListen(port + 1)]);
    await Promise.all(servers.map(async (server) => server && once(server.close(), "close")));
    if (!servers.includes(null)) return port;
  }
  throw new Error("no two free ports in a row were found");
}

function tryListen(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
