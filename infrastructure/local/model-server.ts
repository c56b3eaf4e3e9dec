import { createAdaptorServer } from "@hono/node-server";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { streamSSE } from "hono/streaming";
import { z } from "zod";
import { answerTo, ChatMessage } from "./model-answer.ts";

/** The one model on offer, as `GET /v1/models` names it. Requests may name any other: the answer is the same. */
export const LOCAL_MODEL_ID = "local/echo";

export interface ModelServer {
  /** `http://host:port`; an OpenAI client's base URL is this plus `/v1`. */
  readonly url: string;
  /** Stops listening and cuts the answers under way. */
  readonly close: () => Promise<void>;
}

/**
 * Starts a small server that speaks the part of OpenAI's API that OpenClaw's `openai-completions` provider uses: `GET
 * /v1/models` and `POST /v1/chat/completions`, plain and streamed (https://platform.openai.com/docs/api-reference/chat).
 * It needs a bearer token, any will do, and answers the same request with the same text.
 *
 * @param options.port 0 lets the system choose.
 * @throws the listen error (`EADDRINUSE`, …) as Node gives it.
 */
export async function createModelServer(options: { host: string; port: number }): Promise<ModelServer> {
  const server = createAdaptorServer({ fetch: api().fetch });
  server.listen(options.port, options.host);
  await once(server, "listening");
  const { port } = addressOf(server.address());
  return {
    url: `http://${options.host}:${port}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      if ("closeAllConnections" in server) server.closeAllConnections();
      await closed;
    },
  };
}

/** OpenClaw lets a message carry 19 MB of attachments, which grow by a third in base64. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;

const ChatRequest = z.object({
  model: z.string().min(1).max(200),
  messages: z.array(ChatMessage).min(1).max(10_000),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
});

function api(): Hono {
  const app = new Hono();
  app.onError((error, c) =>
    error instanceof HTTPException
      ? c.json(problem(error.message, "invalid_request_error"), error.status)
      : c.json(problem(`The local model server failed: ${error.message}`, "server_error"), 500),
  );
  app.notFound((c) =>
    c.json(problem(`There is no ${c.req.method} ${c.req.path}.`, "invalid_request_error"), 404),
  );
  app.use("/v1/*", (c, next) =>
    /^bearer \S/iu.test(c.req.header("authorization") ?? "")
      ? next()
      : Promise.resolve(c.json(problem("You didn't provide an API key.", "invalid_request_error"), 401)),
  );

  app.get("/v1/models", (c) =>
    c.json({
      object: "list",
      data: [{ id: LOCAL_MODEL_ID, object: "model", created: 0, owned_by: "kiloclaw" }],
    }),
  );

  const withinLimit = bodyLimit({
    maxSize: BODY_BYTES_MAX,
    onError: (c) =>
      c.json(problem(`The body is longer than ${BODY_BYTES_MAX} bytes.`, "invalid_request_error"), 413),
  });
  app.post("/v1/chat/completions", withinLimit, async (c) => {
    const body = ChatRequest.safeParse(await c.req.json().catch(() => null));
    if (!body.success) return c.json(problem(z.prettifyError(body.error), "invalid_request_error"), 400);
    const completion = complete(body.data);
    if (body.data.stream !== true) {
      const message = { role: "assistant", content: completion.text };
      return c.json({
        ...completion.head,
        object: "chat.completion",
        choices: [{ index: 0, message, finish_reason: "stop" }],
        usage: completion.usage,
      });
    }
    const usageWanted = body.data.stream_options?.include_usage === true;
    return streamSSE(c, async (stream) => {
      for (const chunk of chunksOf(completion, usageWanted)) {
        if (stream.aborted || stream.closed) return;
        await stream.writeSSE({ data: JSON.stringify(chunk) });
      }
      await stream.writeSSE({ data: "[DONE]" });
    });
  });
  return app;
}

interface Completion {
  readonly text: string;
  readonly head: { readonly id: string; readonly created: number; readonly model: string };
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly total_tokens: number;
  };
}

function complete(request: z.output<typeof ChatRequest>): Completion {
  const text = answerTo(request.messages);
  const prompt = request.messages.map((message) => message.content).join("\n");
  const promptTokens = tokensIn(prompt);
  const completionTokens = tokensIn(text);
  return {
    text,
    head: {
      id: `chatcmpl-${createHash("sha256").update(prompt).digest("hex").slice(0, 24)}`,
      created: Math.floor(Date.now() / 1000),
      model: request.model,
    },
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    },
  };
}

/** Four characters to a token: OpenAI's own rule of thumb. */
function tokensIn(text: string): number {
  return Math.ceil(text.length / 4);
}

/** The chunks of a streamed answer, word by word as a real model's would come. */
function* chunksOf(completion: Completion, usageWanted: boolean): Generator<object> {
  const head = { ...completion.head, object: "chat.completion.chunk" };
  const choice = (delta: object, finishReason: "stop" | null) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  });
  yield choice({ role: "assistant", content: "" }, null);
  for (const word of completion.text.match(/\S+\s*|\s+/gu) ?? []) yield choice({ content: word }, null);
  yield choice({}, "stop");
  if (usageWanted) yield { ...head, choices: [], usage: completion.usage };
}

function problem(message: string, type: "invalid_request_error" | "server_error") {
  return { error: { message, type, param: null, code: null } };
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === "string")
    throw new Error("The model server has no TCP address.");
  return address;
}
