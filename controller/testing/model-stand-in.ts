import { once } from "node:events";
import { createServer } from "node:http";

/** An OpenAI-compatible server that answers every chat with one word, and notes who asked. */
export interface ModelStandIn {
  readonly url: string;
  /** The bearer and the model of each chat. */
  readonly asked: readonly { readonly key: string; readonly model: string }[];
  close(): Promise<void>;
}

const CHUNK = { id: "1", object: "chat.completion.chunk", created: 1, model: "stand-in" };

export async function createModelStandIn(): Promise<ModelStandIn> {
  const asked: { key: string; model: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      const key = (request.headers.authorization ?? "").replace("Bearer ", "");
      asked.push({ key, model: /"model":"([^"]*)"/.exec(body)?.[1] ?? "" });
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const [delta, finish_reason] of [
        [{ role: "assistant", content: "pong" }, null],
        [{}, "stop"],
      ])
        response.write(
          `data: ${JSON.stringify({ ...CHUNK, choices: [{ index: 0, delta, finish_reason }] })}\n\n`,
        );
      response.end("data: [DONE]\n\n");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    async close() {
      server.closeAllConnections();
      await once(server.close(), "close");
    },
  };
}
