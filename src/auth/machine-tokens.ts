import { toHex } from "../hex.ts";

const encoder = new TextEncoder();

/** What one machine is told, and what opens only that machine. Lower-case hex, 64 characters each. */
export type MachineTokens = {
  /** Bearer of the controller's own routes. */
  gatewayToken: string;
  /** Value of `x-kiloclaw-proxy-token`: proof that a request came through the Worker. */
  proxyToken: string;
};

/**
 * Derives both tokens from `GATEWAY_TOKEN_SECRET` (HMAC-SHA256, RFC 2104). The gateway token is the HMAC of the sandbox
 * id; the proxy token has a label that no sandbox id can begin with, so one is never the other.
 */
export async function machineTokensOf(secret: string, sandboxId: string): Promise<MachineTokens> {
  const key = await crypto.subtle.importKey(
    "raw",
    encoder.encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const sign = async (text: string): Promise<string> =>
    toHex(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
  const [gatewayToken, proxyToken] = await Promise.all([sign(sandboxId), sign(`proxy-token:${sandboxId}`)]);
  return { gatewayToken, proxyToken };
}
