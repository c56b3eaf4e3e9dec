import { request as httpRequest, type Agent, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import type { Log } from "../log.ts";
import { edgeHeaders, originForm, requestHeaders, responseHeaders } from "./headers.ts";
import type { Target } from "./locate.ts";
import { codeOf, finalStatus, unusableAnswer } from "./upstream.ts";

/** Takes a request to its machine and the answer back, streaming both ways. */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
  via: { agent: Agent; log: Log },
): void {
  if (target.kind === "refused") {
    answerEmpty(response, target.status, target.requestId);
    return;
  }
  const { requestId } = target.edge;
  const upstream = httpRequest({
    host: "127.0.0.1",
    port: target.port,
    method: request.method,
    path: originForm(request.url),
    headers: requestHeaders(request, target.edge),
    setDefaultHeaders: false,
    agent: via.agent,
  });
  const fail = (code: string, message: string): void => {
    via.log({ kind: "proxy", code, message });
    answerEmpty(response, 502, requestId);
  };
  response.once("close", () => upstream.destroy());
  upstream.once("response", (incoming) => {
    const status = finalStatus(incoming);
    if (status === undefined) {
      incoming.destroy();
      fail(unusableAnswer, `the machine answered with status ${incoming.statusCode}`);
      return;
    }
    // The machine's own words for the status go no further: HTTP/2, which Fly speaks to clients, has none.
    response.writeHead(status, responseHeaders(incoming, requestId));
    // An answer that begins with silence, such as an event stream, is announced at once.
    response.flushHeaders();
    // Either side's end ends the other, also when it comes too early: a cut answer must look cut.
    pipeline(incoming, response, () => undefined);
  });
  upstream.once("error", (error) => {
    if (response.headersSent || response.destroyed) response.destroy();
    else fail(codeOf(error), error.message);
  });
  // Of a machine that switches protocols unasked Node says no more than this (its docs: http, Event 'upgrade').
  upstream.once("close", () => {
    if (!response.headersSent && !response.destroyed) fail(unusableAnswer, "the machine gave no answer");
  });
  // A client may wait for the answer's head before it sends its body.
  if (request.headers["transfer-encoding"] !== undefined) upstream.flushHeaders();
  // What goes wrong is told by the upstream's own error event.
  pipeline(request, upstream, () => undefined);
}

/** An answer that the edge makes itself: Fly's have no body. */
function answerEmpty(response: ServerResponse, status: number, requestId: string): void {
  if (response.destroyed) return;
  response.writeHead(status, [...edgeHeaders(requestId), "Content-Length", "0"]);
  response.end();
}
