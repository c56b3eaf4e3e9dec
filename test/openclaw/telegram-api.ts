import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { z } from "zod";

/** A message that the bot sent. */
export interface SentMessage {
  readonly chatId: string;
  readonly text: string;
}

export interface TelegramApi {
  readonly url: string;
  /** Somebody writes to the bot. */
  write(userId: number, text: string): void;
  /** Resolves with the first message to a chat, past or to come and not yet taken, for which `test` is true. */
  sent(chatId: number, test: (text: string) => boolean): Promise<SentMessage>;
  close(): Promise<void>;
}

/** Longer than a bot asks for would hold up the end of a test. */
const POLL_MS_MAX = 5_000;
const BOT = { id: 123_456, is_bot: true, first_name: "Bot", username: "kilo_bot", can_join_groups: true };

const pollSchema = z.object({ offset: z.coerce.number().default(0), timeout: z.coerce.number().default(0) });
const messageSchema = z.object({ chat_id: z.union([z.string(), z.number()]), text: z.string().default("") });

/** Telegram's Bot API (core.telegram.org/bots/api) on loopback, as far as a bot that chats needs it. */
export async function createTelegramApi(): Promise<TelegramApi> {
  const updates: { update_id: number; message: unknown }[] = [];
  const untaken: SentMessage[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const go of waiting) go();
    waiting.clear();
  };
  const change = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(go, ms);
      waiting.add(go);
    });
  let lastId = 0;
  const person = (id: number) => ({ id, is_bot: false, first_name: "Stranger", username: `stranger${id}` });
  const chat = (id: number) => ({ id, type: "private", first_name: "Stranger" });

  const answers: Record<string, (body: unknown) => unknown> = {
    getMe: () => BOT,
    getWebhookInfo: () => ({ url: "", has_custom_certificate: false, pending_update_count: 0 }),
    getMyCommands: () => [],
    async getUpdates(body) {
      const { offset, timeout } = pollSchema.parse(body);
      const news = () => updates.filter(({ update_id: id }) => id >= offset);
      if (news().length === 0) await change(Math.min(timeout * 1_000, POLL_MS_MAX));
      return news();
    },
    sendMessage(body) {
      const { chat_id: chatId, text } = messageSchema.parse(body);
      untaken.push({ chatId: String(chatId), text });
      wake();
      lastId += 1;
      return { message_id: lastId, date: now(), chat: chat(Number(chatId)), from: BOT, text };
    },
  };
  const server = createServer((request, response) => {
    const method = /^\/bot[^/]+\/(\w+)/.exec(request.url ?? "")?.[1] ?? "";
    const answer = async (): Promise<void> => {
      const body = await readBody(request);
      const result = (await Promise.resolve(answers[method]?.(body))) ?? true;
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ ok: true, result }));
    };
    answer().catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = z.object({ port: z.int() }).parse(server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    write(userId, text) {
      lastId += 1;
      const message = { message_id: lastId, date: now(), chat: chat(userId), from: person(userId), text };
      updates.push({ update_id: lastId, message });
      wake();
    },
    async sent(chatId, test) {
      for (;;) {
        const index = untaken.findIndex((message) => message.chatId === String(chatId) && test(message.text));
        const [found] = index < 0 ? [] : untaken.splice(index, 1);
        if (found !== undefined) return found;
        await change(POLL_MS_MAX);
      }
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      wake();
      await closed;
    },
  };
}

/** Bots send JSON, a form or a query; of multipart bodies nothing is needed here. */
async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += String(chunk);
  const type = request.headers["content-type"] ?? "";
  if (type.includes("json") && text !== "") return JSON.parse(text);
  const query = new URL(request.url ?? "/", "http://api").searchParams;
  return Object.fromEntries(type.includes("urlencoded") ? new URLSearchParams(text) : query);
}

function now(): number {
  return Math.floor(Date.now() / 1_000);
}
