import { Agent, type ClientRequestArgs, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** A machine that has just been started does not listen yet; for so long its refusals are not believed. */
const refusedMsMax = 1000;
const retryEveryMs = 25;

/**
 * Connections to machines on loopback, kept for reuse. A refused connection is tried again for a second: nothing of
 * the request has been sent by then, so that it costs nothing but time.
 */
export class PatientAgent extends Agent {
  constructor(options: { keepAlive: boolean }) {
    super({ keepAlive: options.keepAlive, maxFreeSockets: 64, scheduling: "lifo" });
  }

  override createConnection(
    options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const deadlineMs = performance.now() + refusedMsMax;
    const attempt = (): void => {
      const socket = connect({
        host: options.host ?? "127.0.0.1",
        port: Number(options.port),
        noDelay: true,
      });
      const onConnect = (): void => {
        socket.off("error", onError);
        callback?.(null, socket);
      };
      const onError = (error: NodeJS.ErrnoException): void => {
        socket.off("connect", onConnect);
        if (error.code === "ECONNREFUSED" && performance.now() < deadlineMs)
          setTimeout(attempt, retryEveryMs);
        else callback?.(error, socket satisfies Socket);
      };
      socket.once("connect", onConnect);
      socket.once("error", onError);
    };
    attempt();
    return undefined;
  }
}

/** What Fly's logs call a failure on the way to a machine. */
export function codeOf(error: Error): string {
  const code = "code" in error ? error.code : undefined;
  if (code === "ECONNREFUSED") return "PC01";
  return code === "ECONNRESET" ? "PC03" : unusableAnswer;
}

/** What the logs call an answer that cannot be passed on. */
export const unusableAnswer = "PU02";

/** The status, if it is one that ends an exchange (RFC 9110 §15): a machine's program may send any three digits. */
export function finalStatus({ statusCode }: IncomingMessage): number | undefined {
  return statusCode !== undefined && statusCode >= 200 && statusCode <= 599 ? statusCode : undefined;
}
