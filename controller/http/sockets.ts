import type { Duplex } from "node:stream";

/** How long a peer has to read our last bytes and close its own half. */
const LINGER_MS = 10_000;

/**
 * Destroys a socket some time after its writing half has ended. Node's HTTP server leaves sockets half open,
 * and a peer that never closes its half would hold one for ever; at once would cost it our last bytes.
 */
export function destroyAfterEnd(socket: Duplex): void {
  socket.once("finish", () => {
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
  });
}
