import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { z } from "zod";
import type { Handled, Refusal } from "./cloud/answers.ts";
import type { Cloud } from "./cloud/cloud.ts";
import { findRoute } from "./cloud/routes.ts";

export type CloudServer = { baseUrl: string; close(): Promise<void> };

/** More than any request of a control plane (fly-machines-api.md §1.4). */
const BODY_BYTES_MAX = 700_000;
const CANNOT_READ: Refusal = { ok: false, status: 400, text: '{"error":"EOF"}', retryAfterS: null };
const UNAUTHENTICATED: Refusal = {
  ok: false,
  status: 401,
  text: '{"error":"Authenticate: token validation error"}',
  retryAfterS: null,
};

/** The simulated cloud as Fly's Machines API over HTTP, on a port of the system's choice. Any token will do, but there must be one. */
export async function serveCloud(cloud: Cloud): Promise<CloudServer> {
  const server = createServer((request, response) => {
    respond(cloud, request, response).catch((cause: unknown) => response.destroy(asError(cause)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function respond(cloud: Cloud, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://fly");
  const found = findRoute(request.method ?? "GET", url.pathname);
  if (found === null) {
    response.writeHead(404, { "content-type": "text/plain" }).end("404 page not found");
    return;
  }
  if (!/^Bearer ./.test(request.headers.authorization ?? "")) {
    answer(cloud, response, UNAUTHENTICATED);
    return;
  }
  const body = await readBody(request);
  answer(
    cloud,
    response,
    body.ok ? found.handle(cloud, { ...found, query: url.searchParams, body: body.value }) : CANNOT_READ,
  );
}

function answer(cloud: Cloud, response: ServerResponse, handled: Handled<unknown>): void {
  if (typeof handled === "function") {
    const leave = handled((later) => answer(cloud, response, later));
    response.once("close", leave);
    return;
  }
  const text = handled.ok ? (handled.body === null ? "" : JSON.stringify(handled.body)) : handled.text;
  response.writeHead(handled.status, {
    "content-type": "application/json; charset=utf-8",
    "fly-request-id": `${cloud.newVersion()}-sim`,
    ...(handled.ok || handled.retryAfterS === null ? {} : { "retry-after": String(handled.retryAfterS) }),
  });
  response.end(text);
}

async function readBody(request: IncomingMessage): Promise<{ ok: true; value: unknown } | { ok: false }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = z.instanceof(Buffer).parse(chunk);
    size += bytes.byteLength;
    if (size > BODY_BYTES_MAX) return { ok: false };
    chunks.push(bytes);
  }
  if (size === 0) return { ok: true, value: undefined };
  try {
    return { ok: true, value: JSON.parse(Buffer.concat(chunks).toString()) };
  } catch {
    return { ok: false };
  }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause));
}
