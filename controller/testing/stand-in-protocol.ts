import { randomUUID } from "node:crypto";
import type { WebSocket } from "ws";
import { z } from "zod";

const requestSchema = z.object({
  type: z.literal("req"),
  id: z.string(),
  method: z.string(),
  params: z.record(z.string(), z.unknown()),
});

export type Method = (params: Readonly<Record<string, unknown>>) => unknown;

export interface ProtocolOptions {
  readonly version: string;
  readonly isReady: () => boolean;
  /** It takes requests and answers none. */
  readonly isMute: () => boolean;
  /** Beside `health`; one that throws is answered with an error of that message. */
  readonly methods: Readonly<Record<string, Method>>;
}

/** The gateway's side of its protocol, for clients that need no device: challenge, hello, requests and events. */
export function speakProtocol(socket: WebSocket, options: ProtocolOptions): void {
  const send = (frame: Readonly<Record<string, unknown>>): void => socket.send(JSON.stringify(frame));
  send({ type: "event", event: "connect.challenge", payload: { nonce: randomUUID(), ts: Date.now() } });
  socket.on("message", (data) => {
    if (options.isMute()) return;
    const { id, method, params } = requestSchema.parse(
      JSON.parse(z.instanceof(Buffer).parse(data).toString()),
    );
    const answer = (payload: unknown): void => send({ type: "res", id, ok: true, payload });
    const refuse = (code: string, message: string): void =>
      send({ type: "res", id, ok: false, error: { code, message } });
    if (method === "connect") {
      if (options.isReady()) answer(hello(options));
      else refuse("UNAVAILABLE", "gateway starting; retry shortly");
    } else if (method === "health") {
      answer({ ok: true });
    } else {
      const run = options.methods[method];
      if (run === undefined) return refuse("INVALID_REQUEST", `unknown method: ${method}`);
      try {
        answer(run(params));
      } catch (error) {
        refuse("INVALID_REQUEST", error instanceof Error ? error.message : String(error));
      }
    }
  });
}

function hello({ version, methods }: ProtocolOptions): unknown {
  return {
    type: "hello-ok",
    protocol: 4,
    server: { version },
    features: { methods: ["health", ...Object.keys(methods)], events: [] },
  };
}
