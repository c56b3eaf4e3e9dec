import { createHash, generateKeyPairSync, randomUUID, sign, type KeyObject } from "node:crypto";
import { WebSocket } from "ws";
import { z } from "zod";

/** A device as a browser or a phone has one: an Ed25519 key, named by the hash of its public half. */
export interface Device {
  readonly id: string;
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export function createDevice(): Device {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32);
  return {
    id: createHash("sha256").update(raw).digest("hex"),
    publicKey: raw.toString("base64url"),
    privateKey,
  };
}

export interface ConnectOptions {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly client: { readonly id: string; readonly mode: string; readonly buildId?: string };
  readonly role?: "operator" | "node";
  readonly device?: Device;
  readonly password?: string;
}

export type Connection =
  | {
      readonly kind: "connected";
      /** What the gateway says that it granted, if it does. */
      readonly scopes: readonly string[] | null;
      readonly call: Call;
      readonly close: () => void;
    }
  /** The gateway answered `connect` with an error, e.g. `PAIRING_REQUIRED`. */
  | { readonly kind: "refused"; readonly code: string; readonly reason: string }
  /** There was no WebSocket at all. */
  | { readonly kind: "no_upgrade"; readonly status: number };

/** Calls a method of the gateway and resolves with its payload. Rejects with the error's message. */
export type Call = (method: string, params?: Readonly<Record<string, unknown>>) => Promise<unknown>;

export const OPERATOR_SCOPES = [
  "operator.admin",
  "operator.approvals",
  "operator.pairing",
  "operator.questions",
  "operator.read",
  "operator.write",
];

const challengeSchema = z.object({ nonce: z.string(), ts: z.number() });
const frameSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("event"), event: z.string(), payload: z.unknown().optional() }),
  z.object({
    type: z.literal("res"),
    id: z.string(),
    ok: z.boolean(),
    payload: z.unknown().optional(),
    error: z
      .object({
        code: z.string(),
        message: z.string(),
        details: z.looseObject({ code: z.string().optional(), authReason: z.string().optional() }).optional(),
      })
      .optional(),
  }),
]);
/** 2026.2.26 tells the scopes to a client with a device only. */
const helloSchema = z.object({ auth: z.object({ scopes: z.array(z.string()) }).optional() });
type Answer = Extract<z.infer<typeof frameSchema>, { type: "res" }>;

/** Connects to a gateway by protocol 3 (OpenClaw 2026.2.26) or 4 (2026.9), as the Control UI and other clients do. */
export function connectToGateway(options: ConnectOptions): Promise<Connection> {
  const socket = new WebSocket(options.url, { headers: { ...options.headers } });
  const waiting = new Map<string, (answer: Answer) => void>();
  const ask = (method: string, params: unknown): Promise<Answer> =>
    new Promise((resolve) => {
      const id = randomUUID();
      waiting.set(id, resolve);
      socket.send(JSON.stringify({ type: "req", id, method, params }));
    });
  const call: Call = async (method, params = {}) => {
    const answer = await ask(method, params);
    if (answer.ok) return answer.payload;
    throw new Error(answer.error?.message ?? method);
  };

  return new Promise((resolve, reject) => {
    const greet = async (payload: unknown): Promise<void> => {
      const answer = await ask("connect", connectParams(options, challengeSchema.parse(payload)));
      if (answer.ok) {
        const { auth } = helloSchema.parse(answer.payload);
        resolve({
          kind: "connected",
          scopes: auth?.scopes.toSorted() ?? null,
          call,
          close: () => socket.terminate(),
        });
        return;
      }
      const { error } = answer;
      resolve({
        kind: "refused",
        code: error?.details?.code ?? error?.code ?? "",
        reason: error?.details?.authReason ?? error?.message ?? "",
      });
      socket.terminate();
    };
    socket.on("unexpected-response", (_request, response) => {
      resolve({ kind: "no_upgrade", status: response.statusCode ?? 0 });
      socket.terminate();
    });
    socket.on("error", reject);
    socket.on("message", (data) => {
      const frame = frameSchema.parse(JSON.parse(z.instanceof(Buffer).parse(data).toString()));
      if (frame.type === "res") {
        waiting.get(frame.id)?.(frame);
        waiting.delete(frame.id);
      } else if (frame.event === "connect.challenge") {
        greet(frame.payload).catch(reject);
      }
    });
  });
}

function connectParams(
  options: ConnectOptions,
  challenge: z.infer<typeof challengeSchema>,
): Record<string, unknown> {
  const role = options.role ?? "operator";
  const scopes = role === "operator" ? OPERATOR_SCOPES : [];
  return {
    minProtocol: 3,
    maxProtocol: 4,
    client: { version: "1.0.0", platform: "linux", ...options.client },
    role,
    scopes,
    caps: [],
    commands: [],
    permissions: {},
    auth: options.password === undefined ? {} : { password: options.password },
    locale: "en-US",
    userAgent: "test",
    ...(options.device === undefined
      ? {}
      : { device: proof(options.device, options.client, role, scopes, challenge) }),
  };
}

/** The device's signature over the challenge; the empty parts are a token and a device family, which we have not. */
function proof(
  device: Device,
  client: ConnectOptions["client"],
  role: string,
  scopes: readonly string[],
  { nonce, ts }: z.infer<typeof challengeSchema>,
): Record<string, unknown> {
  const text = [
    "v3",
    device.id,
    client.id,
    client.mode,
    role,
    scopes.join(","),
    ts,
    "",
    nonce,
    "linux",
    "",
  ].join("|");
  return {
    id: device.id,
    publicKey: device.publicKey,
    signature: sign(null, Buffer.from(text), device.privateKey).toString("base64url"),
    signedAt: ts,
    nonce,
  };
}
