import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { ControllerProblem, ControllerProblemCode } from "../../src/gateway/wire.ts";
import { destroyAfterEnd } from "./sockets.ts";

/** Seconds after which asking again is worth while: a warm gateway is up in about six. */
const RETRY_AFTER_SECONDS = 2;

const PROBLEMS: Readonly<Record<ControllerProblemCode, { readonly status: number; readonly title: string }>> =
  {
    invalid_request: { status: 400, title: "The request is not one that this machine answers." },
    unauthenticated: { status: 401, title: "The request lacks the credential of this machine." },
    forbidden: { status: 403, title: "The page that asks is of another site." },
    unknown_route: { status: 404, title: "There is no such route." },
    stale_generation: { status: 409, title: "The machine has newer settings than these." },
    too_large: { status: 413, title: "The body is larger than any honest one." },
    unsupported_media_type: { status: 415, title: "The body has to be application/json." },
    upstream_failed: { status: 502, title: "The assistant's gateway broke off the connection." },
    starting: { status: 503, title: "The assistant's gateway is not running yet." },
    shutting_down: { status: 503, title: "The machine is shutting down." },
    misconfigured: { status: 503, title: "The machine's configuration is incomplete." },
    upstream_timeout: { status: 504, title: "The assistant's gateway did not answer in time." },
  };

/** The problem as a status, header fields and a body, for whatever carries them. */
export function problemAnswer(code: ControllerProblemCode): {
  status: number;
  headers: Record<string, string>;
  body: string;
} {
  const details = problem(code);
  const body = JSON.stringify(details);
  return {
    status: details.status,
    headers: {
      "content-type": "application/problem+json",
      "content-length": String(Buffer.byteLength(body)),
      "cache-control": "no-store",
      ...(code === "starting" ? { "retry-after": String(RETRY_AFTER_SECONDS) } : {}),
    },
    body,
  };
}

/** Answers a request with a problem; where the answer has begun already, the connection is cut instead. */
export function sendProblem(response: ServerResponse, code: ControllerProblemCode): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, headers, body } = problemAnswer(code);
  // A refused body is not read, so the connection cannot be used for another request.
  response.writeHead(status, { ...headers, connection: "close" }).end(body);
}

/** Refuses an upgrade with a problem and closes the connection. */
export function refuseUpgrade(socket: Duplex, code: ControllerProblemCode): void {
  const { status, headers, body } = problemAnswer(code);
  const fields = Object.entries({ ...headers, connection: "close" }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  destroyAfterEnd(socket);
  socket.end(`HTTP/1.1 ${status} ${code}\r\n${fields.join("")}\r\n${body}`);
}

/** The problem details for a code, RFC 9457. */
function problem(code: ControllerProblemCode): ControllerProblem {
  return { type: "about:blank", ...PROBLEMS[code], code };
}
