import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";

/**
 * What stands between the Worker of the tests and the local Fly: it passes every call on and notes it, and can hold one call
 * back, before Fly hears of it or before its answer goes out, until the test lets it go. Under `/_gate`:
 *
 * - `POST /_gate/holds` holds the next call that fits, and answers its number
 * - `GET /_gate/holds/<number>` answers when the call is there and held, or is over
 * - `DELETE /_gate/holds/<number>` lets it go on; whether its caller still waits makes no difference to Fly
 * - `GET /_gate/calls?app=<app>` tells what was called in an app, in order
 */
export type FlyGate = { url: string; close(): void };

const holdSchema = z.strictObject({
  app: z.string(),
  method: z.enum(["GET", "POST", "DELETE"]),
  /** What the path has after the app's. A call fits whose path matches it as a regular expression. */
  path: z.string(),
  when: z.enum(["before", "after"]),
});

type Hold = z.infer<typeof holdSchema> & {
  isTaken: boolean;
  caught: PromiseWithResolvers<void>;
  released: PromiseWithResolvers<void>;
};

type Call = { app: string; method: string; path: string };

/** Far more than all the tests of a run make; older ones go first. */
const CALLS_MAX = 50_000;

export async function startFlyGate(flyApiUrl: string): Promise<FlyGate> {
  const holds: Hold[] = [];
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://gate");
    const answering = pathname.startsWith("/_gate/")
      ? command(holds, calls, request, response, pathname, searchParams)
      : pass(holds, calls, flyApiUrl, request, response);
    answering.catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  const url = await listen(server);
  return {
    url,
    close() {
      for (const { caught, released } of holds) {
        caught.resolve();
        released.resolve();
      }
      server.close();
      server.closeAllConnections();
    },
  };
}

async function command(
  holds: Hold[],
  calls: Call[],
  request: IncomingMessage,
  response: ServerResponse,
  pathname: string,
  searchParams: URLSearchParams,
): Promise<void> {
  const answer = (body: unknown): void => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  if (pathname === "/_gate/calls") {
    const app = searchParams.get("app");
    answer(calls.filter((call) => call.app === app));
    return;
  }
  if (request.method === "POST") {
    const order = holdSchema.parse(JSON.parse(await text(request)));
    holds.push({
      ...order,
      isTaken: false,
      caught: Promise.withResolvers(),
      released: Promise.withResolvers(),
    });
    answer(holds.length - 1);
    return;
  }
  const hold = holds[Number(pathname.split("/").at(-1))];
  if (hold === undefined) {
    response.writeHead(404).end();
    return;
  }
  if (request.method === "DELETE") {
    // A call that did not come is not held when it comes.
    hold.isTaken = true;
    hold.caught.resolve();
    hold.released.resolve();
  } else {
    await hold.caught.promise;
  }
  answer(null);
}

async function pass(
  holds: Hold[],
  calls: Call[],
  flyApiUrl: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = "GET", url = "/" } = request;
  const [, app = "", path = ""] = /^\/v1\/apps\/([^/?]+)(.*)$/.exec(url) ?? [];
  calls.push({ app, method, path });
  if (calls.length > CALLS_MAX) calls.shift();
  const body = method === "GET" ? null : await text(request);
  const hold = holds.find(
    (order) =>
      !order.isTaken && order.app === app && order.method === method && new RegExp(order.path).test(path),
  );
  if (hold !== undefined) hold.isTaken = true;
  const wait = async (when: Hold["when"]): Promise<void> => {
    if (hold?.when !== when) return;
    hold.caught.resolve();
    await hold.released.promise;
  };
  await wait("before");
  // A wait that its caller gave up is given up at Fly as well; a change is not, once it is under way.
  const gone = new AbortController();
  if (method === "GET") response.on("close", () => gone.abort());
  const answer = await fetch(`${flyApiUrl}${url}`, {
    method,
    headers: headersOf(request),
    body,
    signal: gone.signal,
  });
  const content = await answer.arrayBuffer();
  await wait("after");
  response.writeHead(answer.status, [...answer.headers].filter(([name]) => !HOP_BY_HOP.has(name)).flat());
  response.end(Buffer.from(content));
}

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "content-length",
  "content-encoding",
  "host",
]);

function headersOf(request: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headersDistinct)) {
    if (!HOP_BY_HOP.has(name)) headers.set(name, value?.join(", ") ?? "");
  }
  return headers;
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = z.object({ port: z.int() }).parse(server.address());
  return `http://127.0.0.1:${port}`;
}
