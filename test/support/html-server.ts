import { once } from "node:events";
import { createServer } from "node:http";
import { z } from "zod";

/** What a proxy in front of an API answers in its place: a page. An app of the name `503` gets status 503, and so on. */
export async function startHtmlServer(): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const status = Number(/\/apps\/(\d{3})\//.exec(request.url ?? "")?.[1] ?? 502);
    response.writeHead(status, { "content-type": "text/html", location: "/elsewhere" });
    response.end("<!doctype html><title>A proxy</title><p>No API here.</p>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = z.object({ port: z.int() }).parse(server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
