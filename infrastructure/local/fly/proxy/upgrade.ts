import { request as httpRequest, STATUS_CODES, type Agent, type IncomingMessage } from "node:http";
import { pipeline, type Duplex } from "node:stream";
import type { Log } from "../log.ts";
import { edgeHeaders, originForm, requestHeaders, responseHeaders } from "./headers.ts";
import type { Target } from "./locate.ts";
import { codeOf, finalStatus, unusableAnswer } from "./upstream.ts";

/**
 * Takes a request for another protocol (WebSocket) to its machine. Once the machine agrees, bytes go both ways
 * untouched; if it refuses, its answer goes back as it is.
 */
export function upgrade(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  target: Target,
  via: { agent: Agent; log: Log },
): void {
  if (target.kind === "refused") {
    endEmpty(client, target.status, target.requestId);
    return;
  }
  const { requestId } = target.edge;
  const protocol = ["Connection", "Upgrade", "Upgrade", request.headers.upgrade ?? "websocket"];
  const upstream = httpRequest({
    host: "127.0.0.1",
    port: target.port,
    method: request.method,
    path: originForm(request.url),
    headers: [...requestHeaders(request, target.edge), ...protocol],
    setDefaultHeaders: false,
    agent: via.agent,
  });
  const fail = (code: string, message: string): void => {
    via.log({ kind: "proxy", code, message });
    endEmpty(client, 502, requestId);
  };
  client.once("close", () => upstream.destroy());
  upstream.once("upgrade", (incoming, machine, machineHead) => {
    const agreed = ["Connection", "Upgrade", "Upgrade", incoming.headers.upgrade ?? "websocket"];
    client.write(headOf(101, [...responseHeaders(incoming, requestId), ...agreed]));
    client.write(machineHead);
    machine.write(head);
    pipeline(client, machine, () => undefined);
    pipeline(machine, client, () => undefined);
  });
  upstream.once("response", (incoming) => {
    const status = finalStatus(incoming);
    if (status === undefined) {
      incoming.destroy();
      fail(unusableAnswer, `the machine answered with status ${incoming.statusCode}`);
      return;
    }
    client.write(headOf(status, [...responseHeaders(incoming, requestId), "Connection", "close"]));
    pipeline(incoming, client, () => undefined);
  });
  upstream.once("error", (error) => {
    if (!client.destroyed) fail(codeOf(error), error.message);
  });
  upstream.end();
}

function endEmpty(client: Duplex, status: number, requestId: string): void {
  client.end(headOf(status, [...edgeHeaders(requestId), "Content-Length", "0", "Connection", "close"]));
}

function headOf(status: number, headers: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    text += `${headers[index]}: ${headers[index + 1]}\r\n`;
  }
  return `${text}\r\n`;
}
