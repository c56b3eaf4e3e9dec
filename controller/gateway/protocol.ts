import { z } from "zod";

/**
 * The frames of the gateway's WebSocket (openclaw-gateway.md §3.1), as far as the controller speaks it. OpenClaw 2026.2.26 speaks
 * protocol 3 and 2026.9.6 protocol 4; what is used here is the same in both.
 */
const PROTOCOL_MIN = 3;
const PROTOCOL_MAX = 4;

const errorSchema = z.object({
  code: z.string().max(200),
  message: z.string().max(2_000),
});
export type GatewayError = z.infer<typeof errorSchema>;

export const frameSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("event"), event: z.string(), payload: z.unknown().optional() }),
  z.object({
    type: z.literal("res"),
    id: z.string(),
    ok: z.boolean(),
    payload: z.unknown().optional(),
    error: errorSchema.optional(),
  }),
]);

export const CHALLENGE = "connect.challenge";

/** What the gateway says of itself when it has let a client in. OpenClaw 2026.2.26 says "dev" for its version. */
export const helloSchema = z.object({
  server: z.object({ version: z.string().max(80).optional() }),
  features: z.object({ methods: z.array(z.string()) }),
});

/** Everything that an operator may; a backend client gets it by its credential, on both versions (§3.3). */
const SCOPES = [
  "operator.admin",
  "operator.read",
  "operator.write",
  "operator.approvals",
  "operator.pairing",
];

/**
 * The first request of a connection: a backend client without a device, which is never a pairing case. 2026.2.26 refuses keys that
 * it does not know, so there is nothing here that only one version has.
 *
 * @param password for the version that takes one on loopback, else null
 */
export function connectParams(controllerVersion: string, password: string | null): Record<string, unknown> {
  return {
    minProtocol: PROTOCOL_MIN,
    maxProtocol: PROTOCOL_MAX,
    client: { id: "gateway-client", version: controllerVersion, platform: process.platform, mode: "backend" },
    role: "operator",
    scopes: SCOPES,
    caps: [],
    commands: [],
    permissions: {},
    auth: password === null ? {} : { password },
    locale: "en-US",
    userAgent: `kiloclaw-controller/${controllerVersion}`,
  };
}
