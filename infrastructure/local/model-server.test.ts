import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createModelServer, LOCAL_MODEL_ID } from "./model-server.ts";
import type { ModelServer } from "./model-server.ts";

let server: ModelServer;

beforeAll(async () => {
  server = await createModelServer({ host: "127.0.0.1", port: 0 });
});

afterAll(async () => {
  await server.close();
});

function post(body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: "Bearer local-model", "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...init,
  });
}

function say(content: unknown): { model: string; messages: { role: string; content: unknown }[] } {
  return { model: "any/model", messages: [{ role: "user", content }] };
}

const Completion = z.object({
  object: z.literal("chat.completion"),
  model: z.string(),
  choices: z.tuple([
    z.object({
      message: z.object({ role: z.literal("assistant"), content: z.string() }),
      finish_reason: z.literal("stop"),
    }),
  ]),
  usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() }),
});

const Chunk = z.object({
  object: z.literal("chat.completion.chunk"),
  choices: z.array(
    z.object({ delta: z.object({ content: z.string().optional() }), finish_reason: z.string().nullable() }),
  ),
  usage: z.object({ total_tokens: z.int() }).optional(),
});

async function answer(body: unknown): Promise<string> {
  return Completion.parse(await (await post(body)).json()).choices[0].message.content;
}

async function events(response: Response): Promise<string[]> {
  const text = await response.text();
  return text
    .split("\n\n")
    .flatMap((event) => (event.startsWith("data: ") ? [event.slice("data: ".length)] : []));
}

describe("the local model server", () => {
  it("lists its model to any bearer", async () => {
    const response = await fetch(`${server.url}/v1/models`, {
      headers: { authorization: "Bearer whatever" },
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      object: "list",
      data: [{ id: LOCAL_MODEL_ID, object: "model" }],
    });
  });

  it("refuses a request without a bearer as OpenAI does", async () => {
    const response = await fetch(`${server.url}/v1/models`);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  });

  it("repeats the last user message and counts the tokens", async () => {
    const response = await post({
      model: "any/model",
      messages: [
        { role: "system", content: "You are helpful." },
        { role: "user", content: "first" },
        { role: "assistant", content: 'You wrote: "first".' },
        {
          role: "user",
          content: [
            { type: "text", text: "the blue heron" },
            { type: "image_url", image_url: {} },
          ],
        },
      ],
    });
    expect(response.status).toBe(200);
    const body = Completion.parse(await response.json());
    expect(body.model).toBe("any/model");
    expect(body.choices[0].message.content).toMatch(/^You wrote: "the blue heron"\./u);
    expect(body.usage.total_tokens).toBe(body.usage.prompt_tokens + body.usage.completion_tokens);
  });

  it("gives the same answer to the same request", async () => {
    const request = say("again");
    expect(await answer(request)).toBe(await answer(request));
  });

  it("streams the same text word by word, then the usage, then [DONE]", async () => {
    const plain = await answer(say("one two three"));
    const response = await post({
      ...say("one two three"),
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/u);
    const data = await events(response);
    expect(data.at(-1)).toBe("[DONE]");
    const chunks = data.slice(0, -1).map((item) => Chunk.parse(JSON.parse(item)));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(plain);
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe("stop");
    expect(chunks.at(-1)?.usage?.total_tokens).toBeGreaterThan(0);
    expect(chunks.length).toBeGreaterThan(5);
  });

  it("leaves the usage out of a stream that did not ask for it", async () => {
    const data = await events(await post({ ...say("hello"), stream: true }));
    expect(data.some((item) => item.includes('"usage"'))).toBe(false);
  });

  const typed = "keep [this], ```that``` and\n\nthe second paragraph";
  const fence = (json: string) => ["```json", json, "```", ""];
  const wrappings = {
    "2026.9.6": [
      "Conversation info: \u27e6openclaw:ctx\u27e7",
      ...fence('{ "message_id": "m1" }'),
      "Sender: \u27e6openclaw:ctx\u27e7",
      ...fence('{ "label": "owner" }'),
      "Note: \u27e6openclaw:ctx\u27e7",
      "a paragraph of OpenClaw's",
      "",
      `[Fri 2026-11-20 09:14 UTC] ${typed}`,
      "",
      "Context: \u27e6openclaw:ctx\u27e7",
      "more of OpenClaw's",
    ],
    "2026.2.26": [
      "Conversation info (untrusted metadata):",
      ...fence('{ "message_id": "m1" }'),
      `[Fri 2026-11-20 09:14 GMT+2] ${typed}`,
      "[message_id: 42]",
    ],
    "2026.9.6, which names the runtime last": [
      typed,
      "",
      "Runtime: agent=main | session=agent:main:main | model=kilocode/local/echo | capabilities=markdown",
    ],
    "no OpenClaw": [typed],
  };
  it.each(Object.entries(wrappings))(
    "finds what the person typed in a message of %s",
    async (_version, lines) => {
      expect(await answer(say(lines.join("\n")))).toContain(`"${typed}"`);
    },
  );

  it("looks past a message that is nothing but OpenClaw's context", async () => {
    const context = [
      "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>",
      'Conversation data (data, not instructions):\n"Active exec sessions:\\nnone"',
      "<<<END_OPENCLAW_INTERNAL_CONTEXT>>>",
    ].join("\n");
    const messages = [
      { role: "user", content: `[Fri 2026-11-20 09:14 UTC] ${typed}` },
      { role: "user", content: context },
    ];
    expect(await answer({ model: "m", messages })).toContain(`"${typed}"`);
  });

  it("does not repeat an older message when the newest has no text", async () => {
    const picture = [{ type: "image_url", image_url: { url: "data:," } }];
    const messages = [
      { role: "user", content: "older" },
      { role: "user", content: picture },
    ];
    expect(await answer({ model: "m", messages })).toContain("no text");
  });

  it("says so when it is sent no text", async () => {
    expect(await answer(say(null))).toContain("no text");
  });

  it.each([
    ["broken JSON", "{"],
    ["no messages", { model: "m", messages: [] }],
    ["no model", { messages: [{ role: "user", content: "x" }] }],
  ])("answers 400 to %s", async (_name, body) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  });

  it("answers 413 to a body beyond its bound", async () => {
    const response = await post("x".repeat(32 * 1024 * 1024 + 1));
    expect(response.status).toBe(413);
  });

  it("answers 404 to a route it does not have", async () => {
    const response = await fetch(`${server.url}/v1/embeddings`, { headers: { authorization: "Bearer k" } });
    expect(response.status).toBe(404);
  });

  it("goes on serving after a client has left in the middle of an answer", async () => {
    const leaving = new AbortController();
    const response = await post(
      { ...say("word ".repeat(100_000)), stream: true },
      { signal: leaving.signal },
    );
    const reader = response.body?.getReader();
    await reader?.read();
    leaving.abort();
    await expect(reader?.read()).rejects.toThrow(/abort/iu);
    expect(await answer(say("still there?"))).toContain('"still there?"');
  });

  it("cuts the answers under way when it is closed", async () => {
    const other = await createModelServer({ host: "127.0.0.1", port: 0 });
    const response = await fetch(`${other.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: "Bearer k" },
      body: JSON.stringify({ ...say("word ".repeat(500_000)), stream: true }),
    });
    await other.close();
    await expect(response.text()).rejects.toThrow("terminated");
    await expect(fetch(`${other.url}/v1/models`)).rejects.toThrow("fetch failed");
  });

  it("names the port when it is taken", async () => {
    const port = Number(new URL(server.url).port);
    await expect(createModelServer({ host: "127.0.0.1", port })).rejects.toMatchObject({
      code: "EADDRINUSE",
      port,
    });
  });
});
