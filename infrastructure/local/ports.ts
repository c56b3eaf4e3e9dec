import { once } from "node:events";
import { createServer } from "node:net";
import { z } from "zod";

/** Somebody else listens on the port that was asked for. */
export class PortTakenError extends Error {
  override readonly name = "PortTakenError";
  readonly port: number;

  constructor(host: string, port: number) {
    super(`Port ${port} on ${host} is taken by another program.`);
    this.port = port;
  }
}

/**
 * Binds the port for a moment. Between this and the real bind another program may take it, so this makes an early, plain
 * message and not a guarantee.
 *
 * @throws {PortTakenError} when somebody listens there already, and Node's own error for anything else (EACCES, …).
 */
export async function assertPortFree(host: string, port: number): Promise<void> {
  await bindForAMoment(host, port);
}

/** The preferred port if it is free, else one that the system picks; the same momentary bind as {@link assertPortFree}. */
export async function preferPort(host: string, preferred: number): Promise<number> {
  try {
    return await bindForAMoment(host, preferred);
  } catch (error) {
    if (!(error instanceof PortTakenError)) throw error;
    return bindForAMoment(host, 0);
  }
}

async function bindForAMoment(host: string, port: number): Promise<number> {
  const server = createServer();
  server.listen({ host, port, exclusive: true });
  try {
    await once(server, "listening");
  } catch (error) {
    throw isAddressInUse(error) ? new PortTakenError(host, port) : error;
  }
  const bound = z.object({ port: z.int() }).parse(server.address());
  const closed = once(server, "close");
  server.close();
  await closed;
  return bound.port;
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
